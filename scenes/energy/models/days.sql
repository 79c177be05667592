-- title.zh: 日电量
-- title.en: Days
-- refresh: table
-- key: meter, day
SELECT r.meter, r.begins::DATE AS day, sum(r.kwh) AS kwh, count(*) AS readings, max(s.a_day) AS a_day, max(r.kwh / s.hours) AS peak_kw, min(r.kwh / s.hours) AS least_kw
FROM energy_readings AS r LEFT JOIN steps AS s ON s.meter = r.meter GROUP BY r.meter, r.begins::DATE
