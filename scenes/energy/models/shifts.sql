-- title.zh: 水平变化
-- title.en: Changes of level
-- The median of the last seven days beside that of the four weeks before.
WITH newest AS (SELECT max(day) AS day FROM days)
SELECT d.meter, median(d.kwh) FILTER (WHERE d.day > n.day - 7) AS now_kwh, median(d.kwh) FILTER (WHERE d.day <= n.day - 7) AS before_kwh,
    median(d.kwh) FILTER (WHERE d.day > n.day - 7) / median(d.kwh) FILTER (WHERE d.day <= n.day - 7) - 1 AS change
FROM days AS d, newest AS n WHERE d.readings = 96 GROUP BY d.meter
