-- title.zh: 核过的检测
-- title.en: Counts looked at
-- What cannot be is named and counts nowhere. Stuck: the same volume and speed for half an hour and more; dead: nothing for half an hour while the other
-- detector of the approach counts and nothing stands on it; too many: 30 % above the saturation flow; a clock that jumped (limits are proposals).
WITH steps AS (
    SELECT c.detector, c.begins, c.volume, c.speed, c.occupancy, d.approach, d.spot, a.saturation,
        CASE WHEN c.volume IS DISTINCT FROM lag(c.volume) OVER w OR c.speed IS DISTINCT FROM lag(c.speed) OVER w THEN 1 ELSE 0 END AS moves,
        max(c.volume) OVER (PARTITION BY d.approach, c.begins) AS other
    FROM traffic_counts AS c LEFT JOIN traffic_detectors AS d ON d.detector = c.detector LEFT JOIN traffic_approaches AS a ON a.approach = d.approach
    WINDOW w AS (PARTITION BY c.detector ORDER BY c.begins)
), runs AS (
    SELECT *, sum(moves) OVER (PARTITION BY detector ORDER BY begins ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run FROM steps
), stood AS (SELECT *, count(*) OVER (PARTITION BY detector, run) AS same FROM runs)
SELECT s.detector, s.begins, s.volume, s.speed, s.occupancy, s.approach, s.spot,
    CASE WHEN s.approach IS NULL THEN '没有登记' WHEN s.begins > a.at OR s.begins < a.at - INTERVAL 60 DAY OR minute(s.begins) % 5 <> 0 OR second(s.begins) <> 0 THEN '时钟不对'
        WHEN s.volume > 1.3 * s.saturation / 12 THEN '多得不可能' WHEN s.same >= 6 AND s.volume > 0 THEN '卡住不变' WHEN s.same >= 6 AND s.other >= 5 AND coalesce(s.occupancy, 0) < 20 THEN '没有读数'
        WHEN s.volume >= 5 AND coalesce(s.speed, 0) <= 0 THEN '有车没有速度' END AS fault,
    CASE WHEN s.approach IS NULL THEN 'unknown' WHEN s.begins > a.at OR s.begins < a.at - INTERVAL 60 DAY OR minute(s.begins) % 5 <> 0 OR second(s.begins) <> 0 THEN 'clock'
        WHEN s.volume > 1.3 * s.saturation / 12 THEN 'too many' WHEN s.same >= 6 AND s.volume > 0 THEN 'stuck' WHEN s.same >= 6 AND s.other >= 5 AND coalesce(s.occupancy, 0) < 20 THEN 'dead'
        WHEN s.volume >= 5 AND coalesce(s.speed, 0) <= 0 THEN 'no speed' END AS fault_en
FROM stood AS s, as_of AS a
