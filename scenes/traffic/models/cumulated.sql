-- title.zh: 逐秒累计到达
-- title.en: Arrivals by second, added up
-- refresh: table
-- key: approach, t
SELECT a.approach, (a.minute * 60 + s.s)::INTEGER AS t, substring(a.passed, s.s, 1)::INTEGER AS arrived,
    (sum(substring(a.passed, s.s, 1)::INTEGER) OVER (PARTITION BY a.approach ORDER BY a.minute, s.s ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW))::INTEGER AS came
FROM traffic_arrivals AS a, range(1, 61) AS s(s)
