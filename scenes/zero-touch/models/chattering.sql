-- title.zh: 抖动报警
-- title.en: Chattering alarms
-- The same alarm three times and more within a minute (ISA-18.2).
WITH raised AS (SELECT unit, tag, happened, lag(happened, 2) OVER (PARTITION BY unit, tag ORDER BY happened) AS third FROM dcs_events WHERE kind = '报警')
SELECT unit, tag, count(*) AS times, min(happened) AS since FROM raised WHERE third >= happened - INTERVAL 1 MINUTE GROUP BY unit, tag
