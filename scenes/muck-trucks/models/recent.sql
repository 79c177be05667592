-- title.zh: 近一天的事件
-- title.en: Incidents of the last day
-- As `incidents`, of spells that ended in the three days before the newest breach (one that has gone on for longer begins anew): rules ask this
-- at every alarm, and it must not take longer as the years go by. What every position moves (truck_now) is not read, so that an alarm is there at once.
WITH near AS (
    SELECT *, max(until) OVER () AS newest FROM breaches
), parted AS (
    SELECT *, CASE WHEN since - max(until) OVER (PARTITION BY truck, kind ORDER BY since ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) <= INTERVAL 30 MINUTE THEN 0 ELSE 1 END AS begins
    FROM near WHERE until > newest - INTERVAL 3 DAY
), numbered AS (
    SELECT *, sum(begins) OVER (PARTITION BY truck, kind ORDER BY since ROWS UNBOUNDED PRECEDING) AS nth FROM parted
), merged AS (
    SELECT truck, kind, min(since) AS since, max(until) AS until, count(*) AS spells, sum(minutes) AS minutes, max(worst) AS worst, max(allowed) AS allowed, arg_min(place, since) AS place,
        arg_min(lon, since) AS lon, arg_min(lat, since) AS lat, bool_or(open) AS open, max(newest) AS newest
    FROM numbered GROUP BY truck, kind, nth
)
SELECT m.truck, m.kind, m.since, m.until, m.spells, m.minutes, m.worst, m.allowed, m.place, m.lon, m.lat, m.open, t.enterprise, t.driver, e.name AS firm, e.county, e.unit AS supervisor
FROM merged AS m JOIN trucks AS t ON t.truck = m.truck JOIN truck_enterprises AS e ON e.enterprise = t.enterprise WHERE m.until > m.newest - INTERVAL 1 DAY
