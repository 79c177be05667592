-- title.zh: 预算内排序
-- title.en: In order, within the budget
-- In the order that the policy names until the budget is used; who comes after waits, also where a smaller amount would still fit: an order is an order. Never more than the budget.
WITH ordered AS (
    SELECT s.*, p.budget, coalesce(u.amount, 0) AS used, row_number() OVER (PARTITION BY s.policy ORDER BY
        CASE s.priority WHEN 'credit' THEN unicode(coalesce(s.credit, 'Z')) WHEN 'small' THEN CASE s.size WHEN '微型' THEN 1 WHEN '小型' THEN 2 WHEN '中型' THEN 3 ELSE 4 END WHEN 'research' THEN -coalesce(s.rnd_share, 0) ELSE -coalesce(s.growth, 0) END, s.firm) AS place
    FROM stacked AS s JOIN firm_policies AS p ON p.policy = s.policy AND p.year = s.year
    LEFT JOIN (SELECT policy, year, sum(amount) AS amount FROM taken GROUP BY policy, year) AS u ON u.policy = s.policy AND u.year = s.year
    WHERE s.amount > 0
), summed AS (
    SELECT *, sum(amount) OVER (PARTITION BY policy ORDER BY place) AS so_far FROM ordered
)
SELECT firm, name, industry, county, size, credit, policy, year, title, title_en, rule, grp, department, way, priority, full_amount, amount, place, round(used + so_far, 2) AS so_far, budget,
    CASE WHEN used + so_far <= budget + 0.000001 THEN 'fits' ELSE 'waits' END AS state
FROM summed
