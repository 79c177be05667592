-- 170 projects signed since 2021 (样例): a quarter of them over one billion yuan. One is reported by two counties, one was written in yuan; some left again.
WITH dice AS (
    SELECT i, (hash(i, 'p') % 1000) / 1000.0 AS x, (hash(i, 'q') % 1000) / 1000.0 AS y, (hash(i, 'r') % 1000) / 1000.0 AS z, ['P01', 'P01', 'P01', 'P02', 'P03', 'P04', 'P05', 'P06', 'P07', 'P08', 'P08', 'P04', 'P05', 'P06'][1 + (hash(i, 'park') % 14)::INTEGER] AS park FROM range(168) AS r(i)
), sized AS (
    SELECT d.*, p.county, CASE WHEN i % 4 = 0 THEN round(101000 + 90000 * x * x, 0) ELSE round(1500 + 70000 * x * x, 0) END AS investment, DATE '2021-02-20' + (hash(i, 'signed') % 2080)::INTEGER AS signed FROM dice AS d JOIN invest_parks AS p ON p.park = d.park
), admitted AS (
    SELECT lead, row_number() OVER (ORDER BY decided_on DESC, lead) AS n FROM invest_admissions WHERE decision = 'admitted'
), newest AS (
    SELECT i, row_number() OVER (ORDER BY signed DESC, i) AS n FROM sized
)
SELECT printf('XM%03d', sized.i + 1) AS project, printf('样例项目 %03d', sized.i + 1) AS name, printf('91330800MA%08d', 20000000 + (hash(sized.i, 'code') % 9000000)::INTEGER) AS credit_code, county, park, (SELECT list(link ORDER BY link) FROM invest_links)[1 + (hash(sized.i, 'link') % 26)::INTEGER] AS link, hash(sized.i, 'digital') % 4 > 0 AS digital, signed,
    CASE WHEN sized.i = 76 THEN investment * 10000 ELSE investment END AS investment, round(investment / (240 + 300 * y), 1) AS land, round(investment * (0.5 + z) * (0.08 + 0.3 * y * y), 0) AS energy, round(investment * (0.5 + z), 0) AS promised_output, round(investment * (0.5 + z) * 0.045, 1) AS promised_tax,
    CASE WHEN hash(sized.i, 'support') % 3 = 0 THEN round(investment * 0.02, 1) ELSE 0 END AS support, CASE WHEN hash(sized.i, 'left') % 23 = 0 AND signed < DATE '2025-01-01' THEN signed + 500 END AS left_on, a.lead
FROM sized LEFT JOIN newest AS n ON n.i = sized.i LEFT JOIN admitted AS a ON a.n = n.n * 3 // 2
UNION ALL SELECT 'XM169', printf('样例项目 %03d', 26), printf('91330800MA%08d', 20000000 + (hash(25, 'code') % 9000000)::INTEGER), '龙游县', 'P08', 'LB03', true, DATE '2024-05-20', 128000, 0, 0, 128000, 5760, 0, NULL, NULL
UNION ALL SELECT 'XM170', '样例项目 170', NULL, '江山市', 'P05', 'WL03', true, DATE '2026-09-01', 45000, 120, 9000, 52000, 2300, 0, NULL, NULL
