-- The hour from half past seven of the second day (样例): Poisson by what the upstream detectors counted in each five minutes. T1: every fifth and every
-- sixth second; T2: every third and every fourth.
WITH rates AS (
    SELECT a.approach, m.minute, coalesce(avg(c.volume), 40) / 300.0 AS rate FROM traffic_approaches AS a JOIN range(60) AS m(minute) ON true LEFT JOIN traffic_detectors AS d ON d.approach = a.approach AND d.spot = '上游'
    LEFT JOIN traffic_counts AS c ON c.detector = d.detector AND c.begins = TIMESTAMP '2026-11-20 07:30:00' + INTERVAL 1 MINUTE * (m.minute // 5 * 5)::INTEGER
    WHERE a.approach NOT LIKE 'T%' GROUP BY a.approach, m.minute
), seconds AS (
    SELECT approach, minute, s, rate, (hash(approach, minute, s, 'seed 1958') % 1000003) / 1000003.0 AS u FROM rates, range(60) AS ss(s)
), drawn AS (
    SELECT approach, minute, s, CASE WHEN u < exp(-rate) THEN '0' WHEN u < exp(-rate) * (1 + rate) THEN '1' WHEN u < exp(-rate) * (1 + rate + rate * rate / 2) THEN '2' ELSE '3' END AS came FROM seconds
    UNION ALL SELECT t.approach, m.minute, s, CASE WHEN (m.minute * 60 + s) % t.every = t.every - 1 THEN '1' ELSE '0' END FROM (VALUES ('T1-1', 5), ('T1-2', 6), ('T2-1', 3), ('T2-2', 4)) AS t(approach, every), range(60) AS m(minute), range(60) AS ss(s)
)
SELECT approach, minute, string_agg(came, '' ORDER BY s) AS passed FROM drawn GROUP BY approach, minute
