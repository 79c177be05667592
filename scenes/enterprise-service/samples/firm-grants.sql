-- What was paid before (样例): P01 by lot among those that fit (firm-years.sql knows the same lot), P02, P04 and P08; of the newest year the first half, under the rules as they were then.
WITH figures AS (
    SELECT y.*, r.credit, r.industry, r.county, 100.0 * y.rnd / nullif(y.revenue, 0) AS share, hash(y.firm, y.year, 'lot') % 2 AS lot, (hash(y.firm, y.year, 'when') % 150)::INTEGER AS days FROM firm_years AS y JOIN firm_register AS r ON r.firm = y.firm WHERE y.year >= 2022
), given AS (
    SELECT firm, year, 'P01' AS policy, 'P01-1' AS rule, least(rnd * 0.05, 60) AS amount, days FROM figures
    WHERE credit IN ('A', 'B') AND revenue >= 300 AND CASE WHEN year < 2025 THEN share >= 4 AND lot = 0 ELSE share >= 3 AND hash(firm, 'first') % 100 < 55 END
    UNION ALL SELECT f.firm, f.year, 'P02', 'P02-1', 20, f.days FROM figures AS f JOIN firm_tags AS t ON t.firm = f.firm AND t.tag = '高新技术企业' AND year(t.since) = f.year WHERE f.credit IN ('A', 'B', 'C') AND (f.year < 2025 OR hash(f.firm, 'first') % 100 < 80)
    UNION ALL SELECT f.firm, f.year, 'P04', 'P04-1', 15, f.days FROM figures AS f JOIN firm_tags AS t ON t.firm = f.firm AND t.tag = '专精特新中小企业' AND year(t.since) = f.year
    WHERE f.credit IN ('A', 'B', 'C') AND f.firm NOT IN (SELECT firm FROM firm_tags WHERE tag = '专精特新“小巨人”') AND (f.year < 2025 OR hash(f.firm, 'first') % 100 < 70)
    UNION ALL SELECT firm, year, 'P08', 'P08-1', least(loan * 0.5, 10), days FROM figures WHERE credit IN ('A', 'B', 'C') AND loan > 0 AND employees < 20 AND revenue < 300 AND hash(firm, year, 'interest') % 100 < 40
)
SELECT printf('S%05d', row_number() OVER (ORDER BY year, policy, firm)) AS number, '免申即享：' || policy || ' ' || firm AS title, '3308-czj' AS unit, 'done' AS state, CAST(NULL AS VARCHAR) AS step,
    make_date(year + 1, 1, 10) + INTERVAL 1 DAY * days AS opened, make_date(year + 1, 1, 10) + INTERVAL 1 DAY * (days + 4 + days % 7) AS closed, make_date(year + 1, 1, 10) + INTERVAL 1 DAY * (days + 9) AS due,
    firm, policy, year, rule, round(amount, 2) AS amount, 'yes' AS confirmed, round(amount, 2) AS paid, (make_date(year + 1, 1, 10) + INTERVAL 1 DAY * (days + 4 + days % 7))::DATE AS paid_on
FROM given WHERE round(amount, 2) > 0
