-- A morning (样例), 05:00 to 10:30: 100 trucks at work every 40 seconds, the others standing in a yard every ten minutes. A round takes 100
-- minutes: loading, to the disposal site, unloading, back, and a rest of half an hour. Some speed, some start too early, dump on the way, go through a school's
-- streets, leave their cover open, leave their route, never rest, fall silent; some positions drift, come twice, or from clocks that jumped.
WITH works AS (
    SELECT t.truck, t.terminal, n, n < 100 AS busy, a.x AS x0, a.y AS y0, b.x AS x1, b.y AS y1
    FROM (SELECT truck, terminal, route, row_number() OVER (ORDER BY truck) - 1 AS n FROM trucks) AS t JOIN truck_routes AS r ON r.route = t.route
    JOIN (SELECT area, ST_X(ST_Centroid(ST_GeomFromGeoJSON(shape))) AS x, ST_Y(ST_Centroid(ST_GeomFromGeoJSON(shape))) AS y FROM truck_areas) AS a ON a.area = r.from_area
    JOIN (SELECT area, ST_X(ST_Centroid(ST_GeomFromGeoJSON(shape))) AS x, ST_Y(ST_Centroid(ST_GeomFromGeoJSON(shape))) AS y FROM truck_areas) AS b ON b.area = r.to_area
), ticks AS (
    SELECT w.*, s, TIMESTAMP '2026-11-26 05:00:00' + INTERVAL 1 SECOND * s::INTEGER AS moment
    FROM works AS w, range(0, 19801, 40) AS seconds(s) WHERE w.busy AND (s >= 3600 OR n % 24 = 7) OR NOT w.busy AND s % 600 = (n * 40) % 600
), phased AS (
    -- Trucks that never rest (n % 40 = 3) have no breaks of their own: they drive slowly where others stand.
    SELECT *, ((s + n * 97) % 6000) / 60.0 AS minute, busy AND n % 40 = 3 AS restless FROM ticks
), moved AS (
    SELECT *, CASE WHEN NOT busy THEN 0 WHEN minute < 10 THEN 0 WHEN minute < 40 THEN (minute - 10) / 30 WHEN minute < 46 THEN 1 WHEN minute < 76 THEN (76 - minute) / 30 ELSE 0 END AS way FROM phased
), driven AS (
    SELECT *, busy AND (minute BETWEEN 10 AND 40 OR minute BETWEEN 46 AND 76) AS moving,
        0.5 * sin(pi() * way) * CASE WHEN n % 30 = 11 THEN 0.03 ELSE 0 END AS aside FROM moved
), told AS (
    SELECT terminal, n, s, moment, CASE WHEN busy THEN x0 + (x1 - x0) * way ELSE 118.898 + (n % 20) * 0.0002 END AS lon, CASE WHEN busy THEN y0 + (y1 - y0) * way + aside ELSE 28.908 + (n // 20) * 0.0001 END AS lat,
        CASE WHEN moving AND n % 17 = 5 AND minute BETWEEN 22 AND 26 THEN 74 + hash(n, s) % 9 WHEN moving AND way BETWEEN 0.35 AND 0.96 THEN 38 + hash(n, s) % 14 WHEN moving THEN 12 + hash(n, s) % 7 WHEN restless THEN 6 + hash(n, s) % 4 ELSE 0 END::DOUBLE AS speed,
        CASE WHEN minute BETWEEN 8 AND 44 AND busy THEN 'full' ELSE 'empty' END AS load,
        CASE WHEN busy AND (minute BETWEEN 41 AND 44 AND n % 33 <> 8 OR n % 33 = 8 AND minute BETWEEN 28 AND 30) THEN 1 ELSE 0 END AS lift,
        CASE WHEN busy AND n % 25 = 14 AND minute BETWEEN 12 AND 30 THEN 1 ELSE 0 END AS cover
    FROM driven
), schooled AS (
    SELECT * REPLACE (CASE WHEN n % 31 = 12 AND s BETWEEN 9000 AND 9400 THEN 118.885 + (s - 9200) * 0.00001 ELSE lon END AS lon, CASE WHEN n % 31 = 12 AND s BETWEEN 9000 AND 9400 THEN 28.925 ELSE lat END AS lat) FROM told
    WHERE NOT (n % 41 = 20 AND s > 15000)
)
SELECT terminal, moment AS "at", round(lon, 6) AS lon, round(lat, 6) AS lat, speed, (hash(n, s, 'd') % 360)::INTEGER AS direction, true AS located, load, lift, cover, CASE WHEN n = 52 AND s BETWEEN 14000 AND 14100 THEN 'emergency' ELSE '' END AS alarms FROM schooled
UNION ALL SELECT terminal, moment + INTERVAL 7 SECOND, 118.5, 29.2, 40, 0, true, 'empty', 0, 0, '' FROM schooled WHERE n % 29 = 9 AND s = 12000 AND n < 100
UNION ALL SELECT terminal, moment, round(lon, 6), round(lat, 6), speed, 0, true, load, lift, cover, '' FROM schooled WHERE n = 4 AND s % 900 = 0
UNION ALL SELECT terminal, TIMESTAMP '2099-01-01 00:00:00', 118.9, 28.9, 10, 0, true, 'empty', 0, 0, '' FROM schooled WHERE n = 6 AND s = 12000
UNION ALL SELECT '10648999999', moment, 118.9, 28.9, 10, 0, true, 'empty', 0, 0, '' FROM schooled WHERE n = 1 AND s IN (6000, 6040)
