WITH graded AS (
    SELECT b.batch, b.picked, b.weight, g.grade, g.share, (hash(b.batch, g.grade, 'sort') % 1000003)::INTEGER AS h
    FROM citrus_batches AS b, (VALUES ('特级', 0.18), ('一级', 0.42), ('二级', 0.28), ('等外', 0.09)) AS g(grade, share)
)
SELECT batch, grade, picked + (1 + h % 3)::INTEGER AS sorted, round(weight * share * (0.9 + (h % 20) / 100.0), 0) AS weight,
    round(CASE grade WHEN '特级' THEN 13.2 WHEN '一级' THEN 12.1 WHEN '二级' THEN 11.0 ELSE 9.8 END + (h % 100 - 50) / 60.0, 1) AS brix
FROM graded
