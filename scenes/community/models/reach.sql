-- title.zh: 到服务点的步行时间
-- title.en: Minutes on foot
-- refresh: table
-- key: person, service
-- Over the paths where there is a list of them; else the straight line × 1.3; at 4.5 km/h (75 m a minute). Factor and pace are proposals. Which of them
-- it was, stands in the row; where the paths do not lead there, no minutes are made up. Service points of the own community, and those booked.
WITH wanted AS (
    SELECT p.person, s.service FROM persons AS p JOIN community_services AS s ON s.place = p.place AND s.kind = '助餐'
    UNION SELECT person, service FROM community_bookings
), measured AS (
    SELECT w.person, w.service, s.kind, p.place, p.node IS NOT NULL AND s.node IS NOT NULL AS listed, k.metres AS walked,
        1.3 * 111195 * sqrt(pow(p.lat - s.lat, 2) + pow((p.lon - s.lon) * cos(radians((p.lat + s.lat) / 2)), 2)) AS straight
    FROM wanted AS w JOIN persons AS p ON p.person = w.person JOIN community_services AS s ON s.service = w.service LEFT JOIN walks AS k ON k.service = s.service AND k.node = p.node
)
SELECT person, service, kind, place, CASE WHEN listed AND walked IS NULL THEN '路径不通' WHEN listed THEN '路径' WHEN straight IS NULL THEN '没有位置' ELSE '直线×1.3' END AS way,
    CASE WHEN listed THEN walked ELSE straight END AS metres, CASE WHEN listed THEN walked ELSE straight END / 75 AS minutes
FROM measured
