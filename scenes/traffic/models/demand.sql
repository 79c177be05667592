-- title.zh: 高峰需求
-- title.en: Demand of the peak
-- Of the hour with the most vehicles before noon of the newest day: mean flow by approach; of the textbook what arrives. Without three of the four
-- quarters nothing is said; a quarter in which the road was blocked is no demand.
WITH morning AS (
    SELECT f.begins, sum(f.flow) AS flow FROM flows AS f, as_of AS a WHERE f.begins::DATE = a.day AND hour(f.begins) < 12 GROUP BY f.begins
), hours AS (SELECT begins, sum(flow) OVER (ORDER BY begins ROWS BETWEEN CURRENT ROW AND 3 FOLLOWING) AS flow, count(*) OVER (ORDER BY begins ROWS BETWEEN CURRENT ROW AND 3 FOLLOWING) AS n FROM morning),
peak AS (SELECT max_by(begins, flow) AS begins FROM hours WHERE n = 4),
measured AS (SELECT f.approach, CASE WHEN count(f.flow) >= 3 THEN avg(f.flow) END AS flow FROM flows AS f, peak AS p WHERE f.begins >= p.begins AND f.begins < p.begins + INTERVAL 1 HOUR
    AND (f.approach, f.begins) NOT IN (SELECT s.approach, time_bucket(INTERVAL 15 MINUTE, s.begins) FROM pairs AS s WHERE s.sign) GROUP BY f.approach),
textbook AS (SELECT c.approach, max(c.came)::DOUBLE AS flow FROM cumulated AS c WHERE c.t = 3600 GROUP BY c.approach)
SELECT a.approach, a.junction, a.stage, a.saturation, j.textbook, (SELECT begins FROM peak) AS peak, CASE WHEN j.textbook THEN t.flow ELSE m.flow END AS flow, CASE WHEN j.textbook THEN t.flow ELSE m.flow END / a.saturation AS y
FROM traffic_approaches AS a JOIN traffic_junctions AS j ON j.junction = a.junction LEFT JOIN measured AS m ON m.approach = a.approach LEFT JOIN textbook AS t ON t.approach = a.approach
