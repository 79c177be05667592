-- 37 enterprises over six counties, made up.
SELECT printf('E%02d', i + 1) AS enterprise, printf('样例运输 %02d', i + 1) AS name, c.title AS county, c.code AS unit
FROM range(37) AS rows(i) JOIN (VALUES (0, '柯城区', '330802'), (1, '衢江区', '330803'), (2, '龙游县', '330825'), (3, '江山市', '330881'), (4, '常山县', '330822'), (5, '开化县', '330824')) AS c(n, title, code) ON c.n = list_extract([0, 0, 1, 1, 2, 3, 4, 5], 1 + i % 8)
