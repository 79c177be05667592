-- title.zh: 日电量
-- title.en: Days
-- refresh: table
-- key: meter, day
SELECT meter, begins::DATE AS day, sum(kwh) AS kwh, count(*) AS readings, max(kwh) * 4 AS peak_kw, min(kwh) * 4 AS least_kw
FROM energy_readings GROUP BY meter, begins::DATE
