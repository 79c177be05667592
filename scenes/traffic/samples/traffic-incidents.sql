-- Forty incidents of four weeks (样例).
SELECT 'S' || lpad(i::VARCHAR, 4, '0') AS number, a.approach, j.name || a.side || '进口' AS place, ['crash', 'breakdown', 'works', 'flooded', 'mistake'][1 + [0, 0, 0, 1, 1, 2, 3, 4][1 + i % 8]] AS kind, NULL AS seen,
    CASE WHEN i % 16 = 2 THEN 1 ELSE 0 END AS injured, 'done' AS state, NULL AS step, opened, opened + INTERVAL 1 MINUTE * (9 + hash(i, 'long') % 55)::INTEGER AS closed
FROM (SELECT i, TIMESTAMP '2026-10-22 07:00:00' + INTERVAL 1 MINUTE * (hash(i, 'day') % 28 * 1440 + hash(i, 'when') % 780)::INTEGER AS opened, hash(i, 'where') % 80 AS p FROM range(40) AS rows(i)) AS drawn
JOIN (SELECT *, row_number() OVER (ORDER BY approach) - 1 AS p FROM traffic_approaches WHERE approach NOT LIKE 'T%') AS a ON a.p = drawn.p JOIN traffic_junctions AS j ON j.junction = a.junction
