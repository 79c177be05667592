-- title.zh: 积温回归
-- title.en: Regressions on degree days
-- Ordinary least squares over seasons (not plots: plots of one season share its weather, and would make n look larger than it is). t for 95 % by
-- the Cornish–Fisher expansion (Abramowitz and Stegun 26.7.5), within a hundredth from 4 degrees of freedom on; below six seasons there is no interval.
WITH slopes AS (
    SELECT variety, crop, count(*) AS n, CASE WHEN var_pop(gdd) > 0 THEN covar_pop(kg_mu, gdd) / var_pop(gdd) ELSE 0 END AS slope, avg(gdd) AS mean_gdd, avg(kg_mu) AS mean_kg, var_pop(gdd) * count(*) AS sxx, avg(days) AS days FROM variety_seasons GROUP BY variety, crop
), sums AS (SELECT *, mean_kg - slope * mean_gdd AS intercept FROM slopes), residuals AS (
    SELECT s.variety, sum(power(v.kg_mu - s.intercept - s.slope * v.gdd, 2)) AS sse FROM sums AS s JOIN variety_seasons AS v ON v.variety = s.variety GROUP BY s.variety
)
SELECT s.variety, s.crop, s.n, s.slope, s.intercept, s.mean_gdd, s.mean_kg, s.sxx, s.days, CASE WHEN s.n >= 6 AND s.sxx > 0 THEN sqrt(r.sse / (s.n - 2)) END AS s,
    CASE WHEN s.n >= 6 THEN 1.95996 + (power(1.95996, 3) + 1.95996) / (4 * (s.n - 2)) + (5 * power(1.95996, 5) + 16 * power(1.95996, 3) + 3 * 1.95996) / (96 * power(s.n - 2, 2)) + (3 * power(1.95996, 7) + 19 * power(1.95996, 5) + 17 * power(1.95996, 3) - 15 * 1.95996) / (384 * power(s.n - 2, 3)) END AS t
FROM sums AS s JOIN residuals AS r ON r.variety = s.variety
