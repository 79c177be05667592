-- From each site to each disposal site: a corridor of some 500 metres to either side; hours 6 to 20.
SELECT 'R' || row_number() OVER (ORDER BY f.area, t.area) AS route, f.title || ' → ' || t.title AS title, f.area AS from_area, t.area AS to_area, 6 AS from_hour, 20 AS to_hour, DATE '2027-12-31' AS valid_until,
    ST_AsGeoJSON(ST_Buffer(ST_MakeLine(ST_Centroid(ST_GeomFromGeoJSON(f.shape)), ST_Centroid(ST_GeomFromGeoJSON(t.shape))), 0.005))::VARCHAR AS shape
FROM truck_areas AS f, truck_areas AS t WHERE f.kind = '工地' AND t.kind = '消纳场'
