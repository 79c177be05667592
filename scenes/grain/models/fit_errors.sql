-- title.zh: 回归留一检验
-- title.en: The regressions with each season left out
-- The error for a season that was not used: residual over (1 − leverage) (PRESS, Allen 1974), beside the mean of the other seasons.
SELECT f.variety, f.n, sqrt(avg(power((v.kg_mu - f.intercept - f.slope * v.gdd) / (1 - 1.0 / f.n - power(v.gdd - f.mean_gdd, 2) / f.sxx), 2))) AS error, sqrt(avg(power((v.kg_mu - f.mean_kg) * f.n / (f.n - 1), 2))) AS naive
FROM fits AS f JOIN variety_seasons AS v ON v.variety = f.variety WHERE f.sxx > 0 AND f.n >= 4 GROUP BY f.variety, f.n
