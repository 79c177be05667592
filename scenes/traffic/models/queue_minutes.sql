-- title.zh: 排队仿真
-- title.en: Queues simulated
-- refresh: table
-- key: plan, approach, minute
-- A vertical queue by the second: q = max(0, q + arrivals − s while green), which is x − min(0, the least x until then) with x the sum of arrivals less
-- service. Delay is the queue added up; a stop is an arrival that finds red or a queue.
WITH plans AS (SELECT DISTINCT plan, junction FROM plan_splits UNION SELECT DISTINCT '自适应' AS plan, junction FROM adaptive),
seconds AS (
    SELECT p.plan, a.approach, c.t, c.arrived, g.t IS NOT NULL AS green, sum(c.arrived - CASE WHEN g.t IS NOT NULL THEN a.saturation / 3600 ELSE 0 END) OVER (PARTITION BY p.plan, a.approach ORDER BY c.t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS x
    FROM plans AS p JOIN traffic_approaches AS a ON a.junction = p.junction JOIN cumulated AS c ON c.approach = a.approach LEFT JOIN green_seconds AS g ON g.plan = p.plan AND g.junction = a.junction AND g.stage = a.stage AND g.t = c.t
), queued AS (
    SELECT *, x - least(0, min(x) OVER (PARTITION BY plan, approach ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) AS q FROM seconds
), before AS (SELECT *, lag(q, 1, 0) OVER (PARTITION BY plan, approach ORDER BY t) AS q0 FROM queued)
SELECT plan, approach, ((t - 1) // 60)::INTEGER AS minute, sum(arrived) AS arrived, sum(q) AS delay_s, sum(CASE WHEN NOT green OR q0 > 0.5 THEN arrived ELSE 0 END) AS stops, max(q) AS longest, max_by(q, t) AS at_end
FROM before GROUP BY 1, 2, 3
