-- title.zh: 走访计划与完成
-- title.en: Visits due and done
-- refresh: table
-- key: person, month
-- Due until now: visits a month, by the days in care of this month and the one before. Two visits on one day count once.
WITH months AS (
    SELECT date_trunc('month', day)::DATE AS month, last_day(day) AS ends, day AS upto FROM as_of
    UNION ALL SELECT (date_trunc('month', day) - INTERVAL 1 MONTH)::DATE, (date_trunc('month', day) - INTERVAL 1 DAY)::DATE, (date_trunc('month', day) - INTERVAL 1 DAY)::DATE FROM as_of
), spans AS (
    SELECT c.person, c.worker, c.place, c.level, c.visits_a_month, m.month, day(m.ends) AS days, greatest(m.month, c.since) AS begins, least(m.upto, coalesce(c.until, m.upto)) AS ends
    FROM care AS c, months AS m
), due AS (
    SELECT s.*, floor(s.visits_a_month * (s.ends - s.begins + 1) / s.days + 1e-9)::INTEGER AS due FROM spans AS s WHERE s.ends >= s.begins
), done AS (
    SELECT person, date_trunc('month', day)::DATE AS month, count(DISTINCT day) FILTER (WHERE outcome = '已访') AS done, count(*) FILTER (WHERE outcome <> '已访') AS failed
    FROM visits_judged WHERE fault IS NULL GROUP BY 1, 2
)
SELECT d.person, strftime(d.month, '%Y-%m') AS month, d.worker, d.place, d.level, d.due, coalesce(o.done, 0) AS done, coalesce(o.failed, 0) AS failed, greatest(d.due - coalesce(o.done, 0), 0) AS missed
FROM due AS d LEFT JOIN done AS o ON o.person = d.person AND o.month = d.month
