-- title.zh: 日前预测
-- title.en: A day ahead
-- Each quarter hour as the mean of the same one on the same day of the four weeks before; naive is the same one a week ago.
WITH lagged AS (
    SELECT meter, begins, kwh, lag(kwh, 672) OVER w AS w1, lag(kwh, 1344) OVER w AS w2, lag(kwh, 2016) OVER w AS w3, lag(kwh, 2688) OVER w AS w4, lag(begins, 672) OVER w AS at1, lag(begins, 2688) OVER w AS at4
    FROM energy_readings WINDOW w AS (PARTITION BY meter ORDER BY begins)
)
SELECT meter, begins, kwh, w1 AS naive, (w1 + w2 + w3 + w4) / 4 AS forecast FROM lagged
-- Only where nothing is missing in between, so that four weeks ago is four weeks ago.
WHERE at1 = begins - INTERVAL 7 DAY AND at4 = begins - INTERVAL 28 DAY
