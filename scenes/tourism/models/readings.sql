-- title.zh: 采信的读数
-- title.en: Readings that count
-- Not those of the future (five minutes are given to clocks); in order of time, however they came; what each adds since the reading before of the same
-- day, of the newest week. A counter begins anew at midnight; where it is smaller than before within a day it was reset, and what it counted in between is lost.
SELECT gate, area, moment, entered, gone, CAST(moment AS DATE) AS day,
    entered - coalesce(CASE WHEN entered >= lag(entered) OVER w THEN lag(entered) OVER w END, 0) AS came, gone - coalesce(CASE WHEN gone >= lag(gone) OVER w THEN lag(gone) OVER w END, 0) AS went,
    CASE WHEN entered < lag(entered) OVER w OR gone < lag(gone) OVER w THEN 1 ELSE 0 END AS reset, moment - lag(moment) OVER w AS since
FROM tourism_gates WHERE moment <= city_now() + INTERVAL 5 MINUTE AND moment > (SELECT max(moment) FROM tourism_gates WHERE moment <= city_now() + INTERVAL 5 MINUTE) - INTERVAL 7 DAY
WINDOW w AS (PARTITION BY gate, CAST(moment AS DATE) ORDER BY moment)
