-- title.zh: 评分卡（逐项）
-- title.en: Score card, point by point
-- A straight line between no points and all of them. A figure that was not told gives no points and is unknown, and so is an investment of a strange size (30 billion yuan and more, below one million). Where the weights do not add up to 100 nothing is scored.
WITH weights AS (SELECT sum(weight) AS total FROM invest_criteria), values_of AS (
    SELECT l.lead, c.criterion, CASE c.criterion WHEN 'size' THEN CASE WHEN l.investment >= 100 AND l.investment < 3000000 THEN l.investment / 10000 END WHEN 'density' THEN CASE WHEN l.investment >= 100 AND l.investment < 3000000 THEN l.investment / nullif(l.land, 0) END WHEN 'tax' THEN l.tax / nullif(l.land, 0) WHEN 'energy' THEN l.energy / nullif(l.output, 0) WHEN 'research' THEN l.research WHEN 'chain' THEN g.score ELSE l.green END AS value
    FROM invest_leads AS l CROSS JOIN invest_criteria AS c LEFT JOIN gaps AS g ON g.link = l.link
)
SELECT v.lead, c.criterion, c.title, coalesce(c.title_en, c.title) AS title_en, c.weight, v.value, c.zero_at, c.full_at,
    CASE WHEN abs(w.total - 100) < 0.000001 AND c.zero_at <> c.full_at THEN c.weight * least(1, greatest(0, (v.value + 0 * v.value - c.zero_at) / (c.full_at - c.zero_at))) + 0 * v.value END AS points
FROM values_of AS v JOIN invest_criteria AS c ON c.criterion = v.criterion CROSS JOIN weights AS w
