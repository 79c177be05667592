-- title.zh: 地块估产
-- title.en: Yields estimated by plot
-- The variety's estimate at the plot's own degree days, and what the plot gives beside it.
SELECT s.plot, s.season, s.variety, s.area_mu, f.intercept + f.slope * s.gdd + coalesce(p.effect, 0) AS kg_mu, coalesce(p.n, 0) AS seasons FROM standing_crops AS s JOIN fits AS f ON f.variety = s.variety LEFT JOIN plot_soils AS p ON p.plot = s.plot AND p.crop = s.crop WHERE s.gdd IS NOT NULL
