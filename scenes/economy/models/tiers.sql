-- title.zh: 梯队判定
-- title.en: Tiers by rule
-- What tier the figures of the newest whole year would give. The plan names the tiers and no limits: these are proposals.
WITH years AS (
    SELECT enterprise, left(month, 4) AS year, sum(revenue) AS revenue, sum(rnd) AS rnd, count(*) AS months FROM economy_reports GROUP BY 1, 2
), newest AS (
    SELECT y.*, p.revenue AS before FROM years AS y LEFT JOIN years AS p ON p.enterprise = y.enterprise AND CAST(p.year AS INTEGER) = CAST(y.year AS INTEGER) - 1
    WHERE y.year = (SELECT max(year) FROM years WHERE months = 12)
)
SELECT e.enterprise, e.name, e.county, e.class, e.tier AS listed, n.revenue, n.rnd, 100.0 * n.rnd / n.revenue AS intensity, 100.0 * (n.revenue / n.before - 1) AS growth,
    CASE WHEN n.revenue >= 100000 THEN '凤凰' WHEN n.revenue >= 30000 THEN '雄鹰' WHEN 100.0 * n.rnd / n.revenue >= 4 AND n.revenue / n.before > 1.2 THEN '雏鹰' ELSE '' END AS by_rule
FROM newest AS n JOIN economy_enterprises AS e ON e.enterprise = n.enterprise WHERE n.revenue > 0
