-- title.zh: 批次追溯
-- title.en: Batches traced
-- One row a batch: from its plot to what was sold of it.
SELECT b.batch, b.plot, p.orchard, p.county_code, p.county, p.variety, p.area, b.picked, b.weight,
    s.sorted_weight, s.brix, t.store, t.since, t.until, t.temperature, coalesce(v.sold_weight, 0) AS sold_weight, coalesce(v.worth, 0) AS worth
FROM citrus_batches AS b
JOIN citrus_plots AS p ON p.plot = b.plot
LEFT JOIN (SELECT batch, sum(weight) AS sorted_weight, round(sum(weight * brix) / sum(weight), 1) AS brix FROM citrus_sorting GROUP BY batch) AS s ON s.batch = b.batch
LEFT JOIN citrus_storage AS t ON t.batch = b.batch
LEFT JOIN (SELECT batch, sum(weight) AS sold_weight, sum(weight * price) AS worth FROM citrus_sales GROUP BY batch) AS v ON v.batch = b.batch
