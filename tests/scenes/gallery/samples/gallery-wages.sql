SELECT i AS id, CASE WHEN i % 2 = 0 THEN '柯城区' ELSE '江山市' END AS county, 4000 + (hash(i) % 3000) / 1.0 AS wage FROM range(40) AS rows(i)
