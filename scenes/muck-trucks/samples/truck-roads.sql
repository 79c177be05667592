-- Classes of road as fences: the country around is of provincial roads (60), the centre of city roads (50), sites have roads of 20.
SELECT * FROM (
    SELECT 'G1' AS road, '样例国省道片区' AS title, '国省道' AS class, 60 AS speed_limit, ST_AsGeoJSON(ST_MakeEnvelope(118.60, 28.80, 119.15, 29.10))::VARCHAR AS shape
    UNION ALL SELECT 'C1', '样例城区', '城市道路', 50, ST_AsGeoJSON(ST_MakeEnvelope(118.845, 28.925, 118.895, 28.975))::VARCHAR
    UNION ALL SELECT 'Y' || area, title || '内', '园区道路', 20, shape FROM truck_areas WHERE kind IN ('工地', '消纳场')
)
