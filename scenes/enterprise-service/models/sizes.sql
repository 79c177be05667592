-- title.zh: 企业规模
-- title.en: Sizes of enterprises
-- 国家统计局《统计上大中小微型企业划分办法（2017）》: large, medium and small enterprises reach the lower limits of all indicators of their industry, else they fall a step; micro is who has but one of them below the limit of small.
-- Where a figure is missing and none of the others says micro, the size is unknown.
WITH steps AS (
    SELECT y.firm, y.year, CASE WHEN v IS NULL THEN NULL WHEN v >= large THEN 4 WHEN v >= medium THEN 3 WHEN v >= small THEN 2 ELSE 1 END AS step
    FROM (
        SELECT y.firm, y.year, l.large, l.medium, l.small, CASE l.indicator WHEN 'employees' THEN y.employees WHEN 'revenue' THEN y.revenue ELSE y.assets END AS v
        FROM firm_years AS y JOIN firm_register AS r ON r.firm = y.firm JOIN firm_size_limits AS l ON l.industry = r.industry
    ) AS y
)
SELECT firm, year, CASE WHEN min(step) = 1 THEN '微型' WHEN count(step) < count(*) THEN NULL WHEN min(step) = 2 THEN '小型' WHEN min(step) = 3 THEN '中型' WHEN min(step) = 4 THEN '大型' END AS size
FROM steps GROUP BY firm, year
