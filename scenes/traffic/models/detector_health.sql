-- title.zh: 检测器健康
-- title.en: Health of detectors
-- Of the newest day: what came of the intervals that others reported, and what was wrong.
WITH wanted AS (SELECT count(DISTINCT begins) AS n FROM counts_judged AS c, as_of AS a WHERE c.fault IS NULL AND c.begins::DATE = a.day)
SELECT d.detector, d.approach, d.spot, count(c.begins) AS came, count(c.begins) FILTER (WHERE c.fault IS NULL) AS sound, w.n AS wanted, 100.0 * count(c.begins) FILTER (WHERE c.fault IS NULL) / nullif(w.n, 0) AS share,
    max(c.fault) AS fault, max(c.fault_en) AS fault_en
FROM traffic_detectors AS d LEFT JOIN (SELECT c.* FROM counts_judged AS c, as_of AS a WHERE c.begins::DATE = a.day) AS c ON c.detector = d.detector, wanted AS w GROUP BY d.detector, d.approach, d.spot, w.n
