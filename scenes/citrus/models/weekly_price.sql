-- title.zh: 周均价
-- title.en: Mean price by week
-- refresh: table
-- key: week, variety, grade
SELECT date_trunc('week', s.sold)::DATE AS week, p.variety, s.grade, sum(s.weight) AS weight, round(sum(s.weight * s.price) / sum(s.weight), 4) AS price
FROM citrus_sales AS s JOIN citrus_batches AS b ON b.batch = s.batch JOIN citrus_plots AS p ON p.plot = b.plot
WHERE s.weight > 0
GROUP BY 1, 2, 3
