-- title.zh: 种植户的账
-- title.en: The growers' accounts
-- Income = weight × price − materials − machines and labour − rent + subsidies paid to that grower for that season. Harvests that two claim are nobody's.
-- Beside the price: the newest minimum purchase price up to that year, in yuan a kilogram.
WITH sown AS (SELECT plot, season, min(grower) AS grower, any_value(crop) AS crop, any_value(variety) AS variety, any_value(area_mu) AS area_mu FROM grain_sowings GROUP BY plot, season HAVING count(*) = 1),
floors AS (
    SELECT v.variety, y.year, max_by(p.yuan_50kg / 50, p.year) AS floor FROM grain_varieties AS v JOIN grain_prices AS p ON p.kind = v.price_kind JOIN (SELECT DISTINCT CAST(left(season, 4) AS INTEGER) AS year FROM grain_harvests) AS y ON p.year <= y.year GROUP BY v.variety, y.year
), grown AS (
    SELECT s.grower, s.season, count(*) AS plots, sum(s.area_mu) AS mu, sum(h.kg) AS kg, sum(h.kg * h.price) AS sales, sum(coalesce(h.materials, 0)) AS materials, sum(coalesce(h.machines, 0)) AS machines, sum(coalesce(h.rent, 0)) AS rent, count(*) FILTER (WHERE h.price IS NULL) AS unpriced, sum(h.kg * f.floor) AS at_floor
    FROM sown AS s JOIN grain_harvests AS h ON h.plot = s.plot AND h.season = s.season LEFT JOIN floors AS f ON f.variety = s.variety AND f.year = CAST(left(s.season, 4) AS INTEGER) GROUP BY s.grower, s.season
), paid AS (SELECT payee, season, sum(amount) AS subsidy FROM grain_payments GROUP BY payee, season)
SELECT g.grower, g.season, g.plots, g.mu, g.kg, g.sales, g.materials, g.machines, g.rent, coalesce(p.subsidy, 0) AS subsidy, g.sales - g.materials - g.machines - g.rent + coalesce(p.subsidy, 0) AS income,
    CASE WHEN g.kg > 0 THEN g.sales / g.kg END AS price, CASE WHEN g.kg > 0 THEN g.at_floor / g.kg END AS floor, g.unpriced
FROM grown AS g LEFT JOIN paid AS p ON p.payee = g.grower AND p.season = g.season
