-- title.zh: 数量级可疑的年度数据
-- title.en: Figures of a strange size
-- Revenue, research, assets or people fifty times the year before, or a fiftieth of it, or two hundred million yuan a head: perhaps yuan for 10,000 yuan (limits are ours). Unless somebody has confirmed it, such a year decides nothing.
SELECT y.firm, y.year, CASE WHEN y.revenue > 50 * b.revenue OR b.revenue > 50 * y.revenue THEN '营业收入' WHEN y.rnd > 50 * b.rnd THEN '研发费用' WHEN y.assets > 50 * b.assets OR b.assets > 50 * y.assets THEN '资产总额' WHEN y.employees > 50 * b.employees OR b.employees > 50 * y.employees THEN '从业人员' ELSE '人均营业收入' END AS what,
    CASE WHEN y.revenue > 50 * b.revenue OR b.revenue > 50 * y.revenue THEN 'revenue' WHEN y.rnd > 50 * b.rnd THEN 'research' WHEN y.assets > 50 * b.assets OR b.assets > 50 * y.assets THEN 'assets' WHEN y.employees > 50 * b.employees OR b.employees > 50 * y.employees THEN 'people' ELSE 'revenue a head' END AS what_en
FROM firm_years AS y LEFT JOIN firm_years AS b ON b.firm = y.firm AND b.year = y.year - 1
WHERE NOT coalesce(y.confirmed, false) AND ((b.revenue > 0 AND (y.revenue > 50 * b.revenue OR b.revenue > 50 * y.revenue)) OR (b.rnd > 0 AND y.rnd > 50 * b.rnd) OR (b.assets > 0 AND (y.assets > 50 * b.assets OR b.assets > 50 * y.assets))
    OR (b.employees > 0 AND (y.employees > 50 * b.employees OR b.employees > 50 * y.employees)) OR y.revenue > 20000 * y.employees)
