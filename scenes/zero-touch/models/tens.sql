-- title.zh: 每 10 分钟的报警
-- title.en: Alarms by ten minutes
-- refresh: table
-- key: unit, ten
SELECT unit, time_bucket(INTERVAL 10 MINUTE, happened) AS ten, count(*) AS alarms FROM dcs_events WHERE kind = '报警' GROUP BY 1, 2
