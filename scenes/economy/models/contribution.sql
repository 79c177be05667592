-- title.zh: 对增长的贡献（百分点）
-- title.en: Contributions to growth, in points
SELECT part.month, part.dimension, part.member, part.revenue, part.growth, 100.0 * (part.revenue - part.revenue_before) / whole.revenue_before AS points,
    100.0 * part.revenue / whole.revenue AS share
FROM growth AS part JOIN growth AS whole ON whole.month = part.month AND whole.dimension = 'all'
WHERE part.dimension <> 'all'
