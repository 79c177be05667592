-- title.zh: 掉出报送的企业
-- title.en: Enterprises that fell out of reporting
SELECT e.enterprise, e.name, e.county, e.class, e.tier, max(r.month) AS last_month
FROM economy_enterprises AS e LEFT JOIN economy_reports AS r ON r.enterprise = e.enterprise
WHERE e.until IS NULL
GROUP BY e.enterprise, e.name, e.county, e.class, e.tier
HAVING max(r.month) IS NULL OR max(r.month) < (SELECT max(month) FROM economy_monthly)
