-- Four approaches a junction (样例); with three stages east and west have one each. 1,650 vehicles an hour and lane.
WITH sides AS (SELECT * FROM (VALUES (1, '东'), (2, '南'), (3, '西'), (4, '北')) AS s(k, side)),
drawn AS (SELECT j.junction, j.stages, s.k, s.side, 2 + (hash(j.junction, s.k % 2, 'lanes') % 2)::INTEGER AS lanes, (hash(j.junction, s.k, 'a') % 1000)::INTEGER AS u FROM traffic_junctions AS j, sides AS s WHERE NOT j.textbook)
SELECT junction || '-' || k AS approach, junction, side, CASE WHEN k IN (2, 4) THEN 1 WHEN stages = 2 THEN 2 WHEN k = 1 THEN 2 ELSE 3 END AS stage, lanes, lanes * 1650.0 AS saturation, 300.0 + u % 500 AS length_m, 45.0 + u % 3 * 5 AS free_speed FROM drawn
UNION ALL SELECT * FROM (VALUES ('T1-1', 'T1', '东', 1, 1, 1800.0, NULL::DOUBLE, NULL::DOUBLE), ('T1-2', 'T1', '南', 2, 1, 600 / 0.35, NULL, NULL), ('T2-1', 'T2', '东', 1, 1, 1800.0, NULL, NULL), ('T2-2', 'T2', '南', 2, 1, 1800.0, NULL, NULL)) AS t
