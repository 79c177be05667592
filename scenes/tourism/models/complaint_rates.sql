-- title.zh: 万人投诉率
-- title.en: Complaints for ten thousand visitors
-- Of the twelve months up to the newest day there is; accepted ones only. The interval is Byar's for a Poisson count (Breslow and Day 1987, II, p. 69):
-- few complaints make it wide, and places whose intervals meet are not really apart. Without visitors there is no rate.
WITH until AS (SELECT max(day) AS day FROM tourism_days WHERE day <= city_today()),
visited AS (SELECT d.area, sum(d.visitors) AS visitors FROM tourism_days AS d CROSS JOIN until AS u WHERE d.day <= u.day AND d.day > u.day - 365 GROUP BY d.area),
said AS (SELECT c.area, count(*) AS n, avg(date_diff('day', c.opened, c.closed)) AS days FROM tourism_complaints AS c CROSS JOIN until AS u WHERE c.accepted = 'yes' AND CAST(c.opened AS DATE) > u.day - 365 AND CAST(c.opened AS DATE) <= city_today() GROUP BY c.area)
SELECT a.area, a.name, a.name_en, a.county, coalesce(s.n, 0) AS complaints, v.visitors, s.days, 10000.0 * coalesce(s.n, 0) / nullif(v.visitors, 0) AS rate,
    CASE WHEN coalesce(s.n, 0) > 0 THEN 10000.0 * s.n * power(1 - 1.0 / (9 * s.n) - 1.96 / (3 * sqrt(s.n)), 3) / nullif(v.visitors, 0) ELSE 0 END AS low,
    10000.0 * (coalesce(s.n, 0) + 1) * power(1 - 1.0 / (9 * (coalesce(s.n, 0) + 1)) + 1.96 / (3 * sqrt(coalesce(s.n, 0) + 1)), 3) / nullif(v.visitors, 0) AS high
FROM tourism_areas AS a LEFT JOIN visited AS v ON v.area = a.area LEFT JOIN said AS s ON s.area = a.area
