-- title.zh: 品种各季
-- title.en: Varieties by season
SELECT variety, crop, season, count(*) AS plots, sum(kg_mu * area_mu) / sum(area_mu) AS kg_mu, sum(gdd * area_mu) / sum(area_mu) AS gdd, avg(days) AS days FROM history GROUP BY variety, crop, season
