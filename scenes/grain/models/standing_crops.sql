-- title.zh: 在田的季
-- title.en: Crops that stand
-- Sown, not harvested, and not ripe for more than a month (after that it is a record that lacks, no standing crop), and not where something else was seen since: degree days until now, and until maturity by the mean of the same days of other years.
WITH last AS (SELECT max(day) AS day FROM warm_days), usual AS (
    SELECT doy, sum(gdd) OVER (ORDER BY doy ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS upto FROM (SELECT dayofyear(day) AS doy, avg(gdd) AS gdd FROM warm_days GROUP BY 1)
), standing AS (
    SELECT w.plot, w.season, any_value(w.crop) AS crop, any_value(w.variety) AS variety, any_value(w.area_mu) AS area_mu, any_value(w.sown) AS sown FROM grain_sowings AS w JOIN last AS l ON w.sown <= l.day AND w.sown > l.day - 300
    WHERE NOT EXISTS (SELECT 1 FROM grain_harvests AS h WHERE h.plot = w.plot AND h.season = w.season) AND NOT EXISTS (SELECT 1 FROM suspicions AS o WHERE o.plot = w.plot AND o.seen >= w.sown) GROUP BY w.plot, w.season HAVING count(*) = 1
)
SELECT s.plot, s.season, s.crop, s.variety, s.area_mu, s.sown, b.upto - a.upto + a.gdd AS gdd_now, s.sown + CAST(round(f.days) AS INTEGER) AS ripe,
    CASE WHEN b.known - a.known = b.day - a.day THEN (CASE WHEN s.sown + CAST(round(f.days) AS INTEGER) <= l.day THEN e.upto - a.upto + a.gdd ELSE b.upto - a.upto + a.gdd + greatest(0, u2.upto - u1.upto) END) END AS gdd
FROM standing AS s JOIN fits AS f ON f.variety = s.variety CROSS JOIN last AS l JOIN warm_days AS a ON a.day = s.sown JOIN warm_days AS b ON b.day = l.day
LEFT JOIN warm_days AS e ON e.day = s.sown + CAST(round(f.days) AS INTEGER) LEFT JOIN usual AS u1 ON u1.doy = dayofyear(l.day) LEFT JOIN usual AS u2 ON u2.doy = dayofyear(s.sown + CAST(round(f.days) AS INTEGER))
WHERE s.sown + CAST(round(f.days) AS INTEGER) >= l.day - 30
