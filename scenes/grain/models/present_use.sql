-- title.zh: 地块现在的用途
-- title.en: What plots are used for now
-- The newest that counts; since when without a break; how often it was seen so, and by whom last.
WITH ordered AS (
    SELECT *, CASE WHEN kind = lag(kind) OVER w THEN 0 ELSE 1 END AS begins FROM seen WINDOW w AS (PARTITION BY plot ORDER BY seen, how, found)
), runs AS (SELECT *, sum(begins) OVER (PARTITION BY plot ORDER BY seen, how, found ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run FROM ordered)
SELECT plot, arg_max(kind, run) AS kind, max(seen) AS seen, min(seen) FILTER (WHERE run = last) AS since, count(*) FILTER (WHERE run = last) AS times, max_by(found, seen) AS found, max_by(how, seen) AS how,
    max(photo) FILTER (WHERE run = last) AS photo, bool_or(how IN ('巡查', '无人机')) FILTER (WHERE run = last) AS on_site, bool_or(kind = 'field') AS was_field
FROM (SELECT *, max(run) OVER (PARTITION BY plot) AS last FROM runs) GROUP BY plot
