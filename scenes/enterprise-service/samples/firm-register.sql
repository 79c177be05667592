-- 2,000 enterprises (样例): half of them industry; four kinds of age; grades of credit mostly A and B.
WITH dice AS (
    SELECT i, (hash(i, 'industry') % 1000)::INTEGER AS a, (hash(i, 'county') % 9)::INTEGER AS c, (hash(i, 'founded') % 9000)::INTEGER AS days, (hash(i, 'credit') % 100)::INTEGER AS k FROM range(2000) AS rows(i)
)
SELECT printf('QF%04d', i + 1) AS firm, printf('样例企业 %04d', i + 1) AS name,
    CASE WHEN a < 480 THEN '工业' WHEN a < 580 THEN '软件和信息技术服务业' WHEN a < 660 THEN '批发业' WHEN a < 730 THEN '零售业' WHEN a < 790 THEN '建筑业' WHEN a < 840 THEN '交通运输业' WHEN a < 880 THEN '租赁和商务服务业'
        WHEN a < 910 THEN '农、林、牧、渔业' WHEN a < 930 THEN '餐饮业' WHEN a < 950 THEN '住宿业' WHEN a < 960 THEN '信息传输业' WHEN a < 970 THEN '仓储业' WHEN a < 980 THEN '物业管理' WHEN a < 985 THEN '房地产开发经营' WHEN a < 987 THEN '邮政业' ELSE '其他未列明行业' END AS industry,
    ['柯城区', '柯城区', '衢江区', '衢江区', '龙游县', '江山市', '江山市', '常山县', '开化县'][1 + c] AS county,
    DATE '2025-06-30' - days AS founded, CASE WHEN k < 38 THEN 'A' WHEN k < 75 THEN 'B' WHEN k < 92 THEN 'C' WHEN k < 98 THEN 'D' ELSE 'E' END AS credit
FROM dice
