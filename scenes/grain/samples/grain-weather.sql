-- Daily temperatures (样例) from 2019 to 10 October 2026: the year's round, years that are warmer or cooler, days that differ.
WITH days AS (SELECT DATE '2019-01-01' + n::INTEGER AS day FROM range(2840) AS r(n)),
means AS (SELECT day, 17.6 + 11.8 * sin(2 * pi() * (dayofyear(day) - 112) / 365) + ((hash(year(day), 'anomaly') % 100)::INTEGER - 50) / 40.0 + ((hash(day) % 100)::INTEGER - 50) / 14.0 AS mean, (hash(day, 'r') % 60)::INTEGER / 10.0 AS wide FROM days)
SELECT day, round(mean + 3 + wide / 2, 1) AS tmax, round(mean - 3 - wide / 2, 1) AS tmin FROM means WHERE day <= DATE '2026-10-10'
