-- What was shown (样例): autumn of 2025, spring of 2026, and the soil of 2026. Plots in other use, claimed twice or badly drawn were left out; one amount was typed wrongly.
WITH sown AS (SELECT w.*, count(*) OVER (PARTITION BY w.plot, w.season) AS claims, sum(area_mu) OVER (PARTITION BY w.grower, w.season) AS farmed FROM grain_sowings AS w WHERE w.season >= '2025-2'),
other AS (SELECT plot, min(seen) AS since FROM grain_classes WHERE found IN ('苗木', '果园', '鱼塘', '建设', '堆场', '撂荒') AND confidence >= 0.6 GROUP BY plot),
rounds AS (SELECT * FROM (VALUES ('2025-2', 'soil', 85, DATE '2025-11-10', DATE '2025-09-30'), ('2025-2', 'scale', 120, DATE '2025-11-20', DATE '2025-09-30'), ('2026-1', 'scale', 120, DATE '2026-08-25', DATE '2026-07-31'), ('2026-2', 'soil', 85, DATE '2026-10-08', DATE '2026-09-30')) AS t(season, scheme, rate, shown, known))
SELECT s.plot, s.season, r.scheme, s.area_mu, round(s.area_mu * r.rate * CASE WHEN (hash(s.plot, 'typo') % 600)::INTEGER = 7 AND s.season = '2026-2' THEN 1.1 ELSE 1 END, 2) AS amount, r.shown
FROM sown AS s JOIN rounds AS r ON r.season = s.season LEFT JOIN other AS o ON o.plot = s.plot
WHERE s.claims = 1 AND (o.since IS NULL OR o.since > r.known) AND (r.scheme = 'soil' OR s.farmed >= 50)
    AND s.plot NOT IN ('L106206-37', 'L110212-24', 'L110212-32', 'L101210-12', 'L101210-20', 'L101210-21', 'L110213-06', 'L110213-14', 'L110213-15')
