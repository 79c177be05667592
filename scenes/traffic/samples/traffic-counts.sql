-- A workday from 6 to 21 h and the next morning until 8:40 (样例): peaks at 8 and at half past five. Speeds fall as volumes rise. One detector is stuck,
-- one is dead, one has gaps; on the second morning the road before J09-1 is blocked from 8:15 on.
WITH slots AS (SELECT DATE '2026-11-19' + d::INTEGER AS day, d, n, DATE '2026-11-19' + d::INTEGER + INTERVAL 1 MINUTE * (360 + n * 5)::INTEGER AS begins, 6 + n / 12.0 AS h FROM range(2) AS days(d), range(180) AS ns(n) WHERE d = 0 OR n < 32),
shaped AS (SELECT *, 0.25 + 0.75 * exp(-pow((h - 7.95) / 0.75, 2)) + 0.68 * exp(-pow((h - 17.5) / 1.0, 2)) + 0.18 * exp(-pow((h - 12.5) / 3, 2)) - CASE WHEN h > 19.5 THEN 0.1 ELSE 0 END AS shape FROM slots),
loads AS (
    SELECT a.approach, a.junction, a.saturation, a.free_speed, CASE WHEN j.stages = 3 AND a.stage > 1 THEN 0.17 ELSE 0.26 END + (hash(a.junction, 'load') % 100) / 900.0 + (hash(a.approach, 'load') % 100) / 1600.0 AS y
    FROM traffic_approaches AS a JOIN traffic_junctions AS j USING (junction)
), flowing AS (
    SELECT d.detector, d.approach, d.spot, s.d, s.n, s.begins, l.free_speed, l.y, s.shape, l.saturation / 12 * l.y * s.shape * (0.93 + 0.14 * (hash(d.approach, s.begins) % 1000) / 1000.0) AS wanted,
        d.approach = 'J09-1' AND s.d = 1 AND s.n >= 27 AS blocked
    FROM traffic_detectors AS d JOIN loads AS l ON l.approach = d.approach, shaped AS s
), counted AS (
    SELECT *, CASE WHEN blocked THEN wanted * CASE spot WHEN '上游' THEN 0.22 ELSE 0.06 END ELSE wanted * CASE spot WHEN '上游' THEN 1 ELSE 0.985 END END AS v,
        CASE WHEN blocked AND spot = '上游' THEN 4 + hash(detector, begins) % 3 WHEN spot = '上游' THEN free_speed * greatest(0.28, 1.02 - 1.02 * y * shape - 0.5 * greatest(y * shape - 0.36, 0) + (hash(detector, begins, 'v') % 100) / 1000.0) ELSE free_speed * (0.55 - 0.35 * y * shape + (hash(detector, begins, 'v') % 100) / 1200.0) END AS speed
    FROM flowing
)
SELECT detector, begins, CASE WHEN detector = 'J04-2-S' AND d = 1 AND n > 20 THEN 37 WHEN detector = 'J11-3-S' AND d = 1 AND n > 18 THEN 0 ELSE round(v)::INTEGER END AS volume,
    round(CASE WHEN detector = 'J04-2-S' AND d = 1 AND n > 20 THEN 33.3 WHEN detector = 'J11-3-S' AND d = 1 AND n > 18 THEN 0 ELSE speed END, 1) AS speed,
    round(CASE WHEN detector = 'J04-2-S' AND d = 1 AND n > 20 THEN 9.0 WHEN detector = 'J11-3-S' AND d = 1 AND n > 18 THEN 0 WHEN blocked AND spot = '上游' THEN 62 + hash(detector, begins) % 9 ELSE least(95, 100 * v * 12 * 6.5 / 1000 / greatest(speed, 3) / 2.4) END, 1) AS occupancy
FROM counted WHERE NOT (detector = 'J15-1-U' AND hash(begins, 'gap') % 4 = 0)
