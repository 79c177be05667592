-- title.zh: 政策预算
-- title.en: Budgets of the policies
-- Used is what was paid or is on its way; the rest waits for next year's money.
SELECT p.policy, p.year, p.title, coalesce(p.title_en, p.title) AS title_en, p.department, p.grp, p.way, p.budget, coalesce(u.paid, 0) AS paid, coalesce(u.amount, 0) - coalesce(u.paid, 0) AS open, coalesce(u.firms, 0) AS firms,
    CASE WHEN p.budget > 0 THEN 100.0 * coalesce(u.amount, 0) / p.budget END AS used_share, p.budget - coalesce(u.amount, 0) AS left_over, coalesce(a.fits, 0) AS fits, coalesce(a.fits_amount, 0) AS fits_amount, coalesce(a.waits, 0) AS waits, coalesce(a.waits_amount, 0) AS waits_amount
FROM firm_policies AS p
LEFT JOIN (SELECT policy, year, sum(amount) AS amount, sum(paid) AS paid, count(*) AS firms FROM taken GROUP BY policy, year) AS u ON u.policy = p.policy AND u.year = p.year
LEFT JOIN (SELECT policy, year, count(*) FILTER (WHERE state = 'fits') AS fits, sum(amount) FILTER (WHERE state = 'fits') AS fits_amount, count(*) FILTER (WHERE state = 'waits') AS waits, sum(amount) FILTER (WHERE state = 'waits') AS waits_amount FROM allotted GROUP BY policy, year) AS a ON a.policy = p.policy AND a.year = p.year
