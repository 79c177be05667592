-- Minutes by car (样例): the distance on the sphere, 1.35 times as far by road, 50 km an hour, and eight minutes to park.
WITH places AS (SELECT area AS place, lon::DOUBLE AS lon, lat::DOUBLE AS lat FROM tourism_areas UNION ALL SELECT start, lon::DOUBLE, lat::DOUBLE FROM tourism_starts)
SELECT p.place AS start, a.place AS area, (8 + 1.35 * 6371 * 2 * asin(sqrt(power(sin(radians(a.lat - p.lat) / 2), 2) + cos(radians(p.lat)) * cos(radians(a.lat)) * power(sin(radians(a.lon - p.lon) / 2), 2))) / 50 * 60)::INTEGER AS minutes
FROM places AS p JOIN places AS a ON a.place <> p.place JOIN tourism_areas AS t ON t.area = a.place
