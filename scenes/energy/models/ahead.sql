-- title.zh: 日前预测
-- title.en: A day ahead
-- Each reading as the mean of those at the same time on the same day of the four weeks before; naive is the one a week ago.
WITH lagged AS (
    SELECT meter, begins, kwh, lag(kwh, 1) OVER w AS w1, lag(kwh, 2) OVER w AS w2, lag(kwh, 3) OVER w AS w3, lag(kwh, 4) OVER w AS w4, lag(begins, 4) OVER w AS at4
    FROM energy_readings WINDOW w AS (PARTITION BY meter, isodow(begins), begins::TIME ORDER BY begins)
)
SELECT meter, begins, kwh, w1 AS naive, (w1 + w2 + w3 + w4) / 4 AS forecast FROM lagged
-- Whatever the step, one of these comes a week after another: where the fourth is four weeks ago, none of them is missing.
WHERE at4 = begins - INTERVAL 28 DAY
