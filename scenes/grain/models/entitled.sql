-- title.zh: 符合条件的
-- title.en: Who is entitled
-- Facts only, nobody applies: by scheme, season and plot the smallest of three areas (right, outline, sown), and why it is held if it is.
-- 耕地地力保护补贴 is for who holds the right (财农〔2016〕26号), 规模种粮补贴 for who grows on the threshold and more in that season (grain only).
WITH sown AS (
    SELECT w.plot, w.season, count(DISTINCT w.grower) AS growers, min(w.grower) AS grower, min(w.area_mu) AS area_mu, any_value(w.crop) AS crop FROM grain_sowings AS w GROUP BY w.plot, w.season
), farmed AS (
    SELECT grower, season, sum(area_mu) AS mu FROM sown WHERE growers = 1 AND crop IN ('早稻', '单季稻', '小麦') GROUP BY grower, season
), listed AS (
    SELECT c.scheme, c.name AS scheme_name, c.name_en AS scheme_en, c.rate, c.days, s.plot, s.season, s.growers, CASE c.payee WHEN '承包权人' THEN p.holder ELSE s.grower END AS payee, least(p.right_mu, s.area_mu, d.mu) AS least, d.mu, d.ring_is, p.village, v.name AS village_name, v.town_code, v.town
    FROM grain_schemes AS c JOIN sown AS s ON s.season >= c.since AND (c.season = 'each' OR s.season LIKE '%-2') JOIN grain_plots AS p ON p.plot = s.plot JOIN drawn AS d ON d.plot = s.plot LEFT JOIN grain_villages AS v ON v.village = p.village
    LEFT JOIN farmed AS f ON f.grower = s.grower AND f.season = s.season
    WHERE (c.payee = '承包权人' OR s.crop IN ('早稻', '单季稻', '小麦')) AND (c.least_mu = 0 OR s.growers > 1 OR f.mu >= c.least_mu)
)
SELECT l.scheme, l.scheme_name, l.scheme_en, l.rate, l.days, l.plot, l.season, l.payee, l.village, l.village_name, l.town_code, l.town, CASE WHEN l.mu IS NULL THEN NULL ELSE l.least END AS area_mu, CASE WHEN l.mu IS NULL THEN NULL ELSE round(l.least * l.rate, 2) END AS amount,
    CASE WHEN l.growers > 1 THEN 'two-claim' WHEN l.payee IS NULL THEN 'nobody' WHEN l.ring_is <> 'good' THEN 'outline' WHEN x.flaw IS NOT NULL THEN x.flaw WHEN u.plot IS NOT NULL THEN 'other-use' END AS flaw
FROM listed AS l LEFT JOIN (SELECT plot, min(flaw) AS flaw FROM flaws WHERE flaw IN ('outside', 'overlap') GROUP BY plot) AS x ON x.plot = l.plot
LEFT JOIN unsettled AS u ON u.plot = l.plot AND u.since < make_date(CAST(left(l.season, 4) AS INTEGER), CASE WHEN l.season LIKE '%-1' THEN 7 ELSE 10 END, 31)
