-- title.zh: 估产
-- title.en: Yields estimated
-- By variety: the regression at the degree days of its standing area, with the interval of a season that is to come:
-- ± t · s · sqrt(1 + 1/n + (g − ḡ)² / Sxx). Few seasons make it wide, and that is what is known.
WITH areas AS (SELECT variety, crop, sum(area_mu) AS mu, count(*) AS plots, sum(gdd * area_mu) / sum(area_mu) AS gdd, sum(gdd_now * area_mu) / sum(area_mu) AS gdd_now, min(ripe) AS ripe FROM standing_crops WHERE gdd IS NOT NULL GROUP BY variety, crop)
SELECT a.variety, a.crop, a.plots, a.mu, a.gdd_now, a.gdd, f.n, f.mean_kg, f.intercept + f.slope * a.gdd AS kg_mu, f.t * f.s * sqrt(1 + 1.0 / f.n + power(a.gdd - f.mean_gdd, 2) / f.sxx) AS half, a.ripe
FROM areas AS a JOIN fits AS f ON f.variety = a.variety
