-- title.zh: 现在在园
-- title.en: Who is present now
-- The newest figure of the newest day there is, by area, and whether it may be trusted. It may not where it fell below nobody, a counter was reset within
-- the day, a gate lags the others by more than half an hour, or a quarter hour leapt past 3,000 at one gate (both limits are proposals). A figure that is
-- not to be trusted may still warn, but never reassures: its level stands only from 70 % on.
WITH newest AS (SELECT max(day) AS day, max(moment) AS moment FROM readings),
gates AS (
    SELECT r.area, r.gate, max(r.moment) AS moment, sum(r.reset) AS resets, count(*) FILTER (WHERE (r.came > 3000 OR r.went > 3000) AND coalesce(r.since, INTERVAL 15 MINUTE) <= INTERVAL 20 MINUTE) AS leaps FROM readings AS r JOIN newest AS n ON n.day = r.day GROUP BY r.area, r.gate
), areas AS (
    SELECT g.area, sum(g.resets) AS resets, sum(g.leaps) AS leaps, count(*) FILTER (WHERE g.moment < n.moment - INTERVAL 30 MINUTE) AS silent, count(*) AS gates FROM gates AS g CROSS JOIN newest AS n GROUP BY g.area
), known AS (SELECT area, count(DISTINCT gate) AS gates FROM readings GROUP BY area),
now AS (
    SELECT c.area, max(c.moment) AS moment, max_by(c.present, c.moment) AS present, min(c.present) AS lowest, max_by(c.came_so_far, c.moment) AS came FROM courses AS c JOIN newest AS n ON n.day = c.day GROUP BY c.area
), judged AS (
    SELECT p.*, w.moment, w.present, w.came, CASE WHEN w.lowest < 0 THEN 'negative' WHEN a.resets > 0 THEN 'reset' WHEN a.leaps > 0 THEN 'leap' WHEN a.silent > 0 OR a.gates < k.gates THEN 'silent' WHEN w.area IS NULL THEN 'none' END AS doubt
    FROM capacities AS p LEFT JOIN now AS w ON w.area = p.area LEFT JOIN areas AS a ON a.area = p.area LEFT JOIN known AS k ON k.area = p.area
)
SELECT *, CASE WHEN present >= 0 THEN 100.0 * present / capacity END AS share, CASE WHEN capacity IS NULL THEN 'no-capacity' WHEN present IS NULL OR present < 0 THEN 'unknown' WHEN present >= capacity THEN 'full' WHEN present >= 0.9 * capacity THEN 'orange' WHEN present >= 0.7 * capacity THEN 'yellow' WHEN doubt IS NOT NULL THEN 'unknown' ELSE 'calm' END AS level FROM judged
