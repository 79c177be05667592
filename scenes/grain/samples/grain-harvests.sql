-- What came of them (样例), until the early rice of 2026: the variety's level, the warmth of the season, the plot's own soil, chance. Plots in other use harvest nothing.
WITH sown AS (SELECT w.*, v.days, left(w.season, 4)::INTEGER AS year FROM grain_sowings AS w JOIN grain_varieties AS v ON v.variety = w.variety WHERE w.season < '2026-2'),
ended AS (SELECT *, sown + days::INTEGER + (hash(plot, season, 'cut') % 6)::INTEGER AS harvested FROM sown),
warmth AS (SELECT e.plot, e.season, sum(greatest(0, (t.tmax + t.tmin) / 2 - 10)) AS gdd FROM ended AS e JOIN grain_weather AS t ON t.day BETWEEN e.sown AND e.harvested GROUP BY 1, 2),
made AS (
    SELECT e.*, w.gdd, (CASE e.variety WHEN '中早39' THEN 455 WHEN '中嘉早17' THEN 468 WHEN '甬优1540' THEN 690 WHEN '甬优15' THEN 655 ELSE 590 END)
        + 0.22 * (w.gdd - CASE e.crop WHEN '早稻' THEN 1230 ELSE 2030 END) + ((hash(e.plot, 'soil') % 100)::INTEGER - 50) * 0.8 + ((hash(e.year, e.crop, 'year') % 100)::INTEGER - 50) * 0.5 + ((hash(e.plot, e.season, 'chance') % 100)::INTEGER - 50) * 0.7 AS kg_mu
    FROM ended AS e JOIN warmth AS w ON w.plot = e.plot AND w.season = e.season
)
SELECT plot, season, harvested, round(kg_mu * area_mu, 1) AS kg, round((CASE variety WHEN '甬优1540' THEN 2.86 WHEN '嘉58' THEN 2.92 WHEN '甬优15' THEN 2.78 ELSE 2.58 END) + (year - 2022) * 0.03 + ((hash(plot, season, 'price') % 40)::INTEGER - 20) / 100.0, 2) AS price,
    round(area_mu * (285 + (hash(plot, season, 'm') % 80)::INTEGER), 2) AS materials, round(area_mu * (390 + (hash(plot, season, 'l') % 90)::INTEGER), 2) AS machines,
    CASE WHEN left(grower, 1) = 'D' THEN round(area_mu * CASE crop WHEN '早稻' THEN 200 ELSE 350 END, 2) ELSE 0 END AS rent
FROM made WHERE NOT EXISTS (SELECT 1 FROM grain_classes AS c WHERE c.plot = made.plot AND c.found IN ('苗木', '果园', '鱼塘', '建设', '堆场', '撂荒') AND c.confidence > 0.6 AND c.seen < made.harvested)
