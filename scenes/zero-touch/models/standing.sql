-- title.zh: 长期报警
-- title.en: Standing alarms
-- Raised, and not returned for a day and more, however often it was raised again meanwhile.
WITH ordered AS (
    SELECT unit, tag, kind, happened, priority, lag(kind) OVER w AS before,
        min(CASE WHEN kind = '恢复' THEN happened END) OVER (PARTITION BY unit, tag ORDER BY happened ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS returned
    FROM within WHERE kind IN ('报警', '恢复') WINDOW w AS (PARTITION BY unit, tag ORDER BY happened)
)
SELECT o.unit, o.tag, o.priority, o.happened AS since, epoch(coalesce(o.returned, s.until) - o.happened) / 3600 AS hours FROM ordered AS o, span AS s
WHERE o.kind = '报警' AND coalesce(o.before, '恢复') = '恢复' AND coalesce(o.returned, s.until) - o.happened >= INTERVAL 1 DAY
