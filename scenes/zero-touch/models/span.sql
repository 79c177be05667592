-- title.zh: 统计时段
-- title.en: The time that is looked at
SELECT min(happened) AS since, max(happened) AS until, greatest(epoch(max(happened) - min(happened)) / 3600, 1) AS hours FROM dcs_events
