-- title.zh: 漏访与原因
-- title.en: Missed visits and why
-- The first missed visit of a month takes the reason of the first call at the door that failed, and so on; where there is none, nobody went.
WITH failed AS (
    SELECT person, strftime(day, '%Y-%m') AS month, outcome, day, row_number() OVER (PARTITION BY person, strftime(day, '%Y-%m') ORDER BY day, visit) AS k
    FROM visits_judged WHERE fault IS NULL AND outcome <> '已访'
)
SELECT p.person, p.month, p.worker, p.place, p.level, k.k, f.day, coalesce(f.outcome, '没有上门') AS reason,
    CASE f.outcome WHEN '外出' THEN 'away' WHEN '拒访' THEN 'refused' WHEN '住院' THEN 'in hospital' WHEN '无人应门' THEN 'no entry' ELSE 'nobody went' END AS reason_en
FROM plan AS p JOIN range(1, 32) AS k(k) ON k.k <= p.missed LEFT JOIN failed AS f ON f.person = p.person AND f.month = p.month AND f.k = k.k
