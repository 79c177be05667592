-- title.zh: 企业画像
-- title.en: Profiles of enterprises
-- One row an enterprise: its figures in the year of the policies beside the year before. What was not told, or is of a strange size and not confirmed, stays empty.
SELECT r.firm, r.name, replace(r.name, '样例企业', 'Sample enterprise') AS name_en, r.industry, r.county, c.code AS county_code, r.credit, p.year, city_today() AS today, date_diff('year', r.founded, make_date(p.year, 12, 31)) AS age, s.size, y.employees, y.employees - b.employees AS added, y.revenue, b.revenue AS revenue_before,
    CASE WHEN b.revenue > 0 THEN 100.0 * (y.revenue / b.revenue - 1) END AS growth, y.assets, y.rnd, CASE WHEN y.revenue > 0 THEN 100.0 * y.rnd / y.revenue END AS rnd_share, y.digital, y.loan, y.tax,
    coalesce(t.high_tech, false) AS high_tech, coalesce(t.new_high_tech, false) AS new_high_tech, coalesce(t.new_special, false) AS new_special, coalesce(t.new_giant, false) AS new_giant, coalesce(t.tags, '') AS tags
FROM firm_register AS r CROSS JOIN policy_year AS p LEFT JOIN county_codes AS c ON c.county = r.county
LEFT JOIN (SELECT * FROM firm_years AS f WHERE NOT EXISTS (SELECT 1 FROM doubtful AS d WHERE d.firm = f.firm AND d.year = f.year)) AS y ON y.firm = r.firm AND y.year = p.year
LEFT JOIN (SELECT * FROM firm_years AS f WHERE NOT EXISTS (SELECT 1 FROM doubtful AS d WHERE d.firm = f.firm AND d.year = f.year)) AS b ON b.firm = r.firm AND b.year = p.year - 1
LEFT JOIN sizes AS s ON s.firm = y.firm AND s.year = y.year
LEFT JOIN (
    SELECT g.firm, bool_or(tag = '高新技术企业') AS high_tech, bool_or(tag = '高新技术企业' AND year(since) = q.year) AS new_high_tech, bool_or(tag = '专精特新中小企业' AND year(since) = q.year) AS new_special,
        bool_or(tag = '专精特新“小巨人”' AND year(since) = q.year) AS new_giant, string_agg(tag, '、' ORDER BY tag) AS tags
    FROM firm_tags AS g CROSS JOIN policy_year AS q WHERE year(g.since) <= q.year AND (g.until IS NULL OR year(g.until) >= q.year) GROUP BY g.firm
) AS t ON t.firm = r.firm
