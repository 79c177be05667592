-- title.zh: 营收的年增长（对数）
-- title.en: Growth of revenue in logarithms
SELECT a.firm, a.year, ln(b.revenue / a.revenue) AS grew, s.size, r.industry FROM firm_years AS a JOIN firm_years AS b ON b.firm = a.firm AND b.year = a.year + 1
JOIN sizes AS s ON s.firm = a.firm AND s.year = a.year JOIN firm_register AS r ON r.firm = a.firm WHERE a.revenue > 0 AND b.revenue > 0 AND s.size IS NOT NULL
