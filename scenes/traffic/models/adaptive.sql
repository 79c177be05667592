-- title.zh: 自适应配时
-- title.en: The adaptive plan
-- refresh: table
-- key: junction, n
-- Green stays while a queue is left on an approach of the stage and ends as it is gone (gap-out), between 10 and 60 s (proposals); then the next stage.
-- left_ are the vehicles that have left until the green begins. During a green: left = min(left + s·g, min over j of came(j) + s·(g − j)). An hour has
-- fewer than 300 greens.
WITH RECURSIVE run(junction, approach, own, s, lost, stages, n, stage, t0, left_) AS (
    SELECT a.junction, a.approach, a.stage, a.saturation / 3600, j.lost::INTEGER, j.stages, 1, 1, j.lost::INTEGER, 0.0::DOUBLE
    FROM traffic_approaches AS a JOIN traffic_junctions AS j ON j.junction = a.junction WHERE EXISTS (SELECT 1 FROM cumulated AS c WHERE c.approach = a.approach)
    UNION ALL
    SELECT r.junction, r.approach, r.own, r.s, r.lost, r.stages, r.n + 1, r.stage % r.stages + 1, r.t0 + r.green + r.lost,
        CASE WHEN r.own = r.stage THEN least(r.left_ + r.s * r.green, min(c.came + r.s * (r.green - (c.t - r.t0)))) ELSE r.left_ END
    FROM (
        SELECT h.*, max(h.wants) OVER (PARTITION BY h.junction)::INTEGER AS green FROM (
            SELECT q.junction, q.approach, q.own, q.s, q.lost, q.stages, q.n, q.stage, q.t0, q.left_, CASE WHEN q.own = q.stage THEN coalesce(min(e.t) - q.t0, 60) ELSE 10 END AS wants
            FROM run AS q LEFT JOIN cumulated AS e ON e.approach = q.approach AND q.own = q.stage AND e.t BETWEEN q.t0 + 10 AND q.t0 + 60 AND e.came - q.left_ - q.s * (e.t - q.t0) <= 0
            WHERE q.n < 300 AND q.t0 < 3600 GROUP BY q.junction, q.approach, q.own, q.s, q.lost, q.stages, q.n, q.stage, q.t0, q.left_
        ) AS h
    ) AS r LEFT JOIN cumulated AS c ON c.approach = r.approach AND c.t BETWEEN greatest(r.t0, 1) AND r.t0 + r.green
    GROUP BY r.junction, r.approach, r.own, r.s, r.lost, r.stages, r.n, r.stage, r.t0, r.left_, r.green
), greens AS (SELECT DISTINCT junction, n, stage, t0, lost FROM run)
SELECT junction, n, stage, t0 AS begins, coalesce(lead(t0) OVER (PARTITION BY junction ORDER BY n) - lost, 3600) - t0 AS green FROM greens WHERE t0 < 3600
