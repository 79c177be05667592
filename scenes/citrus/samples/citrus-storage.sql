SELECT batch, ['一号', '二号', '三号', '四号', '五号'][1 + (hash(batch) % 1000003)::INTEGER % 5] || '通风库（样例）' AS store, picked + 3 AS since,
    picked + (12 + (hash(batch, 'out') % 1000003)::INTEGER % 25)::INTEGER AS until,
    round(6 + ((hash(batch, 't') % 1000003)::INTEGER % 60) / 10.0 + CASE WHEN (hash(batch, 'hot') % 1000003)::INTEGER % 97 = 0 THEN 9 ELSE 0 END, 1) AS temperature,
    round(84 + ((hash(batch, 'h') % 1000003)::INTEGER % 80) / 10.0, 1) AS humidity
FROM citrus_batches WHERE (hash(batch, 'stored') % 1000003)::INTEGER % 10 < 7
