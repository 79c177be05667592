-- title.zh: 统计时段
-- title.en: The time that is looked at
-- A clock that jumps gives events weeks or years from all others, and every rate by the hour would be wrong. Looked at is the run with
-- the most events in which no week is empty everywhere; what lies outside is the rule "clock". The week is a proposal.
WITH gaps AS (
    SELECT happened, CASE WHEN happened - lag(happened) OVER (ORDER BY happened) > INTERVAL 7 DAY THEN 1 ELSE 0 END AS begins FROM dcs_events
), runs AS (
    SELECT happened, sum(begins) OVER (ORDER BY happened ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run FROM gaps
)
SELECT min(happened) AS since, max(happened) AS until, greatest(epoch(max(happened) - min(happened)) / 3600, 1) AS hours FROM runs GROUP BY run ORDER BY count(*) DESC, min(happened) LIMIT 1
