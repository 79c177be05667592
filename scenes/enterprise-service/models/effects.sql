-- title.zh: 政策效果（双重差分）
-- title.en: Effects of policies (difference in differences)
-- Difference in differences (Angrist and Pischke 2009, ch. 5): growth of those who were paid for year t, from t to t + 1, less that of enterprises of the same industry and size that were paid nothing for t.
-- Cells with two of either kind and more; weighted by recipients. Standard error: the square root of the sum of the weighted variances of the means. `before` is the same a year earlier, when nothing had been paid: it should be near zero.
-- Who is paid differs in more than industry and size: this is a comparison, no proof of a cause.
WITH paid AS (SELECT DISTINCT firm, policy, year FROM firm_grants WHERE confirmed = 'yes' AND paid > 0), seen AS (
    SELECT DISTINCT p.policy, p.year, step.after FROM paid AS p CROSS JOIN (VALUES (0), (-1)) AS step(after)
), panel AS (
    SELECT s.policy, s.year, s.after, g.industry, g.size, d.grew, EXISTS (SELECT 1 FROM paid AS p WHERE p.policy = s.policy AND p.year = s.year AND p.firm = g.firm) AS helped, EXISTS (SELECT 1 FROM paid AS p WHERE p.year = s.year AND p.firm = g.firm) AS any_help
    FROM seen AS s JOIN grown AS d ON d.year = s.year + s.after JOIN (SELECT r.firm, r.industry, z.year, z.size FROM sizes AS z JOIN firm_register AS r ON r.firm = z.firm) AS g ON g.firm = d.firm AND g.year = s.year
    WHERE g.size IS NOT NULL
), cells AS (
    SELECT policy, year, after, industry, size, count(*) FILTER (WHERE helped) AS n1, avg(grew) FILTER (WHERE helped) AS m1, var_samp(grew) FILTER (WHERE helped) AS v1,
        count(*) FILTER (WHERE NOT any_help) AS n0, avg(grew) FILTER (WHERE NOT any_help) AS m0, var_samp(grew) FILTER (WHERE NOT any_help) AS v0
    FROM panel GROUP BY policy, year, after, industry, size
), told AS (
    SELECT policy, after, sum(n1) AS recipients, sum(n1) FILTER (WHERE n1 >= 2 AND n0 >= 2) AS matched, sum(n0) FILTER (WHERE n1 >= 2 AND n0 >= 2) AS others,
        sum(n1 * (m1 - m0)) FILTER (WHERE n1 >= 2 AND n0 >= 2) / nullif(sum(n1) FILTER (WHERE n1 >= 2 AND n0 >= 2), 0) AS effect,
        sqrt(sum(n1 * n1 * (v1 / n1 + v0 / n0)) FILTER (WHERE n1 >= 2 AND n0 >= 2)) / nullif(sum(n1) FILTER (WHERE n1 >= 2 AND n0 >= 2), 0) AS error
    FROM cells GROUP BY policy, after
)
SELECT a.policy, a.recipients, a.matched, a.others, 100.0 * a.effect AS effect, 100.0 * a.error AS error, 100.0 * (a.effect - 1.96 * a.error) AS low, 100.0 * (a.effect + 1.96 * a.error) AS high, 100.0 * b.effect AS before, 100.0 * b.error AS before_error
FROM told AS a LEFT JOIN told AS b ON b.policy = a.policy AND b.after = -1 WHERE a.after = 0 AND a.matched > 0
