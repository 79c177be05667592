-- title.zh: 自动投用率
-- title.en: Share of time in automatic
-- From the beginning, or the last change of mode, to the next one or the end.
WITH changes AS (
    SELECT l.loop, l.unit, s.since AS happened, l.starts_auto AS auto FROM dcs_loops AS l, span AS s
    UNION ALL SELECT e.loop, e.unit, e.happened, e.kind = '切自动' FROM within AS e WHERE e.kind IN ('切自动', '切手动') AND e.loop IS NOT NULL
), spells AS (
    SELECT c.loop, c.unit, c.auto, epoch(coalesce(lead(c.happened) OVER (PARTITION BY c.loop ORDER BY c.happened), s.until) - c.happened) AS seconds FROM changes AS c, span AS s
)
SELECT loop, unit, 100.0 * sum(seconds) FILTER (WHERE auto) / sum(seconds) AS auto_share FROM spells GROUP BY loop, unit
