-- title.zh: 15 分钟流量与速度
-- title.en: Flows and speeds of 15 minutes
-- refresh: table
-- key: approach, begins
-- Vehicles an hour at the stop line, else upstream (which one stands in the row); of two sound intervals of the three at least, else nothing is said.
-- Speeds are upstream, by the harmonic mean over vehicles, so that they are a speed of the section.
WITH quarters AS (
    SELECT approach, time_bucket(INTERVAL 15 MINUTE, begins) AS begins, count(*) FILTER (WHERE spot = '停车线') AS n_stop, sum(volume) FILTER (WHERE spot = '停车线') AS at_stop,
        count(*) FILTER (WHERE spot = '上游') AS n_up, sum(volume) FILTER (WHERE spot = '上游') AS upstream,
        sum(volume) FILTER (WHERE spot = '上游' AND speed > 0) / nullif(sum(volume / speed) FILTER (WHERE spot = '上游' AND speed > 0), 0) AS harmonic
    FROM counts_judged WHERE fault IS NULL GROUP BY 1, 2
)
SELECT approach, begins, CASE WHEN n_stop >= 2 THEN 12.0 * at_stop / n_stop WHEN n_up >= 2 THEN 12.0 * upstream / n_up END AS flow,
    CASE WHEN n_stop >= 2 THEN '停车线' WHEN n_up >= 2 THEN '上游' ELSE '' END AS counted_at, CASE WHEN n_up >= 2 THEN harmonic END AS speed
FROM quarters
