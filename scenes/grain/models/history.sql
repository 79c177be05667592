-- title.zh: 历年单产
-- title.en: Yields of the years
-- refresh: table
-- key: plot, season
-- Weight over the area sown, with the degree days from sowing to harvest. Left out: what two claim, and where a day of weather is missing in between.
SELECT h.plot, h.season, w.crop, w.variety, h.kg / w.area_mu AS kg_mu, w.area_mu, b.upto - a.upto + a.gdd AS gdd, h.harvested - w.sown AS days
FROM grain_harvests AS h JOIN (SELECT plot, season, any_value(crop) AS crop, any_value(variety) AS variety, any_value(area_mu) AS area_mu, any_value(sown) AS sown FROM grain_sowings GROUP BY plot, season HAVING count(*) = 1) AS w ON w.plot = h.plot AND w.season = h.season
JOIN warm_days AS a ON a.day = w.sown JOIN warm_days AS b ON b.day = h.harvested
WHERE w.variety IS NOT NULL AND h.harvested > w.sown AND h.harvested <= city_today() AND b.known - a.known = b.day - a.day
