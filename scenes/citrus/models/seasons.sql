-- title.zh: 各产季
-- title.en: Seasons
SELECT year(picked) AS season, county, variety, count(*) AS batches, sum(weight) AS weight, sum(sold_weight) AS sold_weight, sum(worth) AS worth, round(sum(weight) / sum(DISTINCT area), 1) AS yield
FROM batch_trace GROUP BY 1, 2, 3
