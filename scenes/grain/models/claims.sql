-- title.zh: 一季两主
-- title.en: Seasons that two claim
SELECT w.plot, w.season, count(DISTINCT w.grower) AS growers, v.name, v.town_code, v.town
FROM grain_sowings AS w LEFT JOIN grain_plots AS p ON p.plot = w.plot LEFT JOIN grain_villages AS v ON v.village = p.village
GROUP BY w.plot, w.season, v.name, v.town_code, v.town HAVING count(DISTINCT w.grower) > 1
