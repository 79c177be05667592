-- title.zh: 事件
-- title.en: Incidents
-- Spells of one truck and kind that follow each other within half an hour are one incident (a proposal).
WITH parted AS (
    SELECT *, CASE WHEN since - max(until) OVER (PARTITION BY truck, kind ORDER BY since ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) <= INTERVAL 30 MINUTE THEN 0 ELSE 1 END AS begins FROM breaches
), numbered AS (
    SELECT *, sum(begins) OVER (PARTITION BY truck, kind ORDER BY since ROWS UNBOUNDED PRECEDING) AS nth FROM parted
)
SELECT truck, kind, min(since) AS since, max(until) AS until, count(*) AS spells, sum(minutes) AS minutes, max(worst) AS worst, max(allowed) AS allowed, arg_min(place, since) AS place,
    arg_min(lon, since) AS lon, arg_min(lat, since) AS lat, bool_or(open) AS open
FROM numbered GROUP BY truck, kind, nth
