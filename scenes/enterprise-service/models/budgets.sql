-- title.zh: 政策预算
-- title.en: Budgets of the policies
-- Beside what is used: who fits in what is left, and who waits for next year's money.
SELECT s.*, coalesce(a.fits, 0) AS fits, coalesce(a.fits_amount, 0) AS fits_amount, coalesce(a.waits, 0) AS waits, coalesce(a.waits_amount, 0) AS waits_amount
FROM spending AS s LEFT JOIN (
    SELECT policy, year, count(*) FILTER (WHERE state = 'fits') AS fits, sum(amount) FILTER (WHERE state = 'fits') AS fits_amount, count(*) FILTER (WHERE state = 'waits') AS waits, sum(amount) FILTER (WHERE state = 'waits') AS waits_amount FROM allotted GROUP BY policy, year
) AS a ON a.policy = s.policy AND a.year = s.year
