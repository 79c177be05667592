-- 170 projects signed since 2021 (样例): a quarter of them over one billion yuan. One is reported by two counties, one was written in yuan; some left again.
WITH dice AS (
    SELECT i, (hash(i, 'p') % 1000) / 1000.0 AS x, (hash(i, 'q') % 1000) / 1000.0 AS y, (hash(i, 'r') % 1000) / 1000.0 AS z, ['P01', 'P01', 'P01', 'P02', 'P03', 'P04', 'P05', 'P06', 'P07', 'P08', 'P08', 'P04', 'P05', 'P06'][1 + (hash(i, 'park') % 14)::INTEGER] AS park FROM range(168) AS r(i)
), sized AS (
    SELECT d.*, p.county, CASE WHEN i % 4 = 0 THEN round(101000 + 90000 * x * x, 0) ELSE round(1500 + 70000 * x * x, 0) END AS investment, DATE '2021-02-20' + (hash(i, 'signed') % 2080)::INTEGER AS signed FROM dice AS d JOIN invest_parks AS p ON p.park = d.park
)
SELECT printf('XM%03d', i + 1) AS project, printf('样例项目 %03d', i + 1) AS name, printf('91330800MA%08d', 20000000 + (hash(i, 'code') % 9000000)::INTEGER) AS credit_code, county, park, (SELECT list(link ORDER BY link) FROM invest_links)[1 + (hash(i, 'link') % 26)::INTEGER] AS link, hash(i, 'digital') % 4 > 0 AS digital, signed,
    CASE WHEN i = 76 THEN investment * 10000 ELSE investment END AS investment, round(investment / (240 + 300 * y), 1) AS land, round(investment * (0.5 + z) * (0.08 + 0.3 * y * y), 0) AS energy, round(investment * (0.5 + z), 0) AS promised_output, round(investment * (0.5 + z) * 0.045, 1) AS promised_tax,
    CASE WHEN hash(i, 'support') % 3 = 0 THEN round(investment * 0.02, 1) ELSE 0 END AS support, CASE WHEN hash(i, 'left') % 23 = 0 AND signed < DATE '2025-01-01' THEN signed + 500 END AS left_on
FROM sized
UNION ALL SELECT 'XM169', printf('样例项目 %03d', 26), printf('91330800MA%08d', 20000000 + (hash(25, 'code') % 9000000)::INTEGER), '龙游县', 'P08', 'LB03', true, DATE '2024-05-20', 128000, 0, 0, 128000, 5760, 0, NULL
UNION ALL SELECT 'XM170', '样例项目 170', NULL, '江山市', 'P05', 'WL03', true, DATE '2026-09-01', 45000, 120, 9000, 52000, 2300, 0, NULL
