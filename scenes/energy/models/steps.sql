-- title.zh: 读数的间隔
-- title.en: Steps of the readings
-- refresh: table
-- key: meter
-- The step of a meter is the commonest distance between its readings, the shorter one of two that are as common; a meter with one reading has none.
WITH gaps AS (SELECT meter, date_diff('minute', lag(begins) OVER (PARTITION BY meter ORDER BY begins), begins) AS minutes FROM energy_readings),
counted AS (SELECT meter, minutes, count(*) AS times FROM gaps WHERE minutes > 0 GROUP BY meter, minutes)
SELECT meter, minutes, minutes / 60.0::DOUBLE AS hours, 1440 // minutes AS a_day
FROM counted QUALIFY row_number() OVER (PARTITION BY meter ORDER BY times DESC, minutes) = 1
