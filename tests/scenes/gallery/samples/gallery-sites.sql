SELECT 'S' || i AS site, 118.2 + (hash(i) % 800) / 1000.0 AS lon, 28.6 + (hash(i + 99) % 600) / 1000.0 AS lat, round((hash(i + 5) % 900) / 100.0, 2) AS level,
    printf('{"type":"Polygon","coordinates":[[[%d,0],[%d,0],[%d,1],[%d,1],[%d,0]]]}', i, i + 1, i + 1, i, i) AS shape
FROM range(24) AS rows(i)
