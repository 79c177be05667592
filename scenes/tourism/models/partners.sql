-- title.zh: 伙伴景区
-- title.en: Partners' areas
-- Those whose figure is of today's newest three hours; the others are named, with no level.
WITH newest AS (SELECT max(moment) AS moment FROM tourism_partners WHERE moment <= city_now() + INTERVAL 5 MINUTE)
SELECT p.city, coalesce(p.city_en, p.city) AS city_en, p.province, p.area, coalesce(p.area_en, p.area) AS area_en, p.lon, p.lat, p.capacity, p.present, p.moment, CASE WHEN p.capacity > 0 AND p.moment BETWEEN n.moment - INTERVAL 3 HOUR AND n.moment THEN 100.0 * p.present / p.capacity END AS share
FROM tourism_partners AS p CROSS JOIN newest AS n
