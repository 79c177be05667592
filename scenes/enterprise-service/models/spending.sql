-- title.zh: 预算的使用
-- title.en: What is used of the budgets
-- Used is what was paid or is on its way.
SELECT p.policy, p.year, p.title, coalesce(p.title_en, p.title) AS title_en, p.department, p.grp, p.way, p.budget, coalesce(u.paid, 0) AS paid, coalesce(u.amount, 0) - coalesce(u.paid, 0) AS open, coalesce(u.firms, 0) AS firms,
    CASE WHEN p.budget > 0 THEN 100.0 * coalesce(u.amount, 0) / p.budget END AS used_share, p.budget - coalesce(u.amount, 0) AS left_over
FROM firm_policies AS p LEFT JOIN (SELECT policy, year, sum(amount) AS amount, sum(paid) AS paid, count(*) AS firms FROM taken GROUP BY policy, year) AS u ON u.policy = p.policy AND u.year = p.year
