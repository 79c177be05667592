-- title.zh: 自适应配时
-- title.en: The adaptive plan
-- refresh: table
-- key: junction, n
-- Green stays while a queue is left on an approach of the stage and ends as it is gone (gap-out), between 10 and 60 s (proposals); then the next stage.
-- left_ are the vehicles that have left until the green begins. During a green of g seconds: left = min(left + s·g, min over t of came(t) + s·(t0 + g − t));
-- `ahead` is came(t) − s·t, so that both questions are answered from one list. An hour has fewer than 300 greens.
WITH RECURSIVE lists AS MATERIALIZED (
    SELECT c.approach, list(c.came - a.saturation / 3600 * c.t ORDER BY c.t) AS ahead FROM cumulated AS c JOIN traffic_approaches AS a ON a.approach = c.approach GROUP BY c.approach
), run(junction, approach, own, s, lost, stages, n, stage, t0, left_) AS (
    SELECT a.junction, a.approach, a.stage, a.saturation / 3600, j.lost::INTEGER, j.stages, 1, 1, j.lost::INTEGER, 0.0::DOUBLE
    FROM traffic_approaches AS a JOIN traffic_junctions AS j ON j.junction = a.junction JOIN lists AS l ON l.approach = a.approach
    UNION ALL
    SELECT r.junction, r.approach, r.own, r.s, r.lost, r.stages, r.n + 1, r.stage % r.stages + 1, r.t0 + r.green + r.lost,
        CASE WHEN r.own = r.stage THEN r.s * (r.t0 + r.green) + least(r.left_ - r.s * r.t0, list_min(list_slice(l.ahead, greatest(r.t0, 1), r.t0 + r.green))) ELSE r.left_ END
    FROM (
        SELECT h.*, max(h.wants) OVER (PARTITION BY h.junction)::INTEGER AS green FROM (
            SELECT q.junction, q.approach, q.own, q.s, q.lost, q.stages, q.n, q.stage, q.t0, q.left_,
                CASE WHEN q.own = q.stage THEN coalesce(min(k.k) FILTER (WHERE list_extract(l.ahead, q.t0 + k.k) <= q.left_ - q.s * q.t0 + 1e-6), 60) ELSE 10 END AS wants
            FROM run AS q JOIN lists AS l ON l.approach = q.approach LEFT JOIN range(10, 61) AS k(k) ON q.own = q.stage
            WHERE q.n < 300 AND q.t0 < 3600 GROUP BY q.junction, q.approach, q.own, q.s, q.lost, q.stages, q.n, q.stage, q.t0, q.left_
        ) AS h
    ) AS r JOIN lists AS l ON l.approach = r.approach
), greens AS (SELECT DISTINCT junction, n, stage, t0, lost FROM run)
SELECT junction, n, stage, t0 AS begins, coalesce(lead(t0) OVER (PARTITION BY junction ORDER BY n) - lost, 3600) - t0 AS green FROM greens WHERE t0 < 3600
