-- 151 enterprises (the report of 2022), made up: two thirds make products; a tenth joined in 2022.
SELECT printf('QY%03d', i) AS enterprise, printf('样例企业 %03d', i) AS name,
    list_extract(['柯城区', '柯城区', '衢江区', '衢江区', '龙游县', '江山市', '江山市', '常山县', '开化县'], 1 + (hash(i) % 9)::INTEGER) AS county,
    CASE WHEN i < 100 THEN '01' WHEN i < 112 THEN '02' WHEN i < 140 THEN '03' ELSE '04' END AS class,
    CASE WHEN i % 37 = 0 THEN '凤凰' WHEN i % 23 = 1 THEN '单项冠军' WHEN i % 9 = 2 THEN '雄鹰' WHEN i % 4 = 3 THEN '雏鹰' ELSE '其他' END AS tier,
    CASE WHEN i % 10 = 9 THEN '2022-01' ELSE '2021-01' END AS since, CASE WHEN i % 75 = 40 THEN '2022-07' END AS until
FROM range(151) AS rows(i)
