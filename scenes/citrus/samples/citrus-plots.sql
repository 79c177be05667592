-- 420 plots (样例) in the six counties; 椪柑 around Kecheng and Qujiang, 胡柚 in Changshan.
WITH numbered AS (SELECT i, (hash(i, 'plot') % 1000003)::INTEGER AS h FROM range(420) AS rows(i)),
counties AS (
    SELECT i, h, CASE WHEN h % 100 < 38 THEN 1 WHEN h % 100 < 62 THEN 2 WHEN h % 100 < 86 THEN 3 WHEN h % 100 < 92 THEN 4 WHEN h % 100 < 97 THEN 5 ELSE 6 END AS c FROM numbered
)
SELECT 'P' || lpad((i + 1)::VARCHAR, 4, '0') AS plot,
    ['橙源', '九华', '石梁', '华墅', '青石', '招贤', '全旺', '莲花'][1 + (h // 101) % 8] || '果园' || (1 + (h // 977) % 12) || '号（样例）' AS orchard,
    ['330802', '330803', '330822', '330881', '330825', '330824'][c] AS county_code,
    ['柯城区', '衢江区', '常山县', '江山市', '龙游县', '开化县'][c] AS county,
    CASE WHEN c = 3 AND (h // 13) % 10 < 8 THEN '胡柚' WHEN (h // 13) % 10 < 6 THEN '椪柑' WHEN (h // 13) % 10 < 8 THEN '红美人' ELSE '温州蜜柑' END AS variety,
    round(2 + (h // 17) % 400 / 10.0, 1) AS area,
    ((2 + (h // 17) % 400 / 10.0) * (45 + (h // 19) % 20))::INTEGER AS trees,
    2000 + (h // 23) % 22 AS planted,
    round([118.82, 118.95, 118.51, 118.62, 119.17, 118.42][c] + ((h // 29) % 1000 - 500) / 7000.0, 5) AS lon,
    round([28.98, 28.97, 28.90, 28.74, 29.03, 29.14][c] + ((h // 31) % 1000 - 500) / 9000.0, 5) AS lat
FROM counties
