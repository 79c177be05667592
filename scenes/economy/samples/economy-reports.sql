-- Revenue of a class is spread by size and month; 2021 comes near 384.83 (01: 334.06), value added 77.84, profit 21.29 (亿元); 2022 grows by 30 %.
WITH sized AS (
    SELECT enterprise, class, since, until, pow(1 + (hash(enterprise) % 1000) / 500.0, 3) AS size, (hash(enterprise || 'x') % 1000) / 1000.0 AS luck FROM economy_enterprises
), months AS (
    SELECT printf('%d-%02d', y, m) AS month, y, m, list_extract([0.070, 0.065, 0.085, 0.080, 0.083, 0.090, 0.082, 0.083, 0.090, 0.085, 0.090, 0.097], m::INTEGER) AS share
    FROM range(2021, 2023) AS years(y), range(1, 13) AS twelve(m)
), due AS (
    SELECT s.enterprise, s.class, s.luck, m.month, m.y, m.share, s.size / sum(s.size) OVER (PARTITION BY s.class, m.month) AS part
    FROM sized AS s JOIN months AS m ON m.month >= s.since AND (s.until IS NULL OR m.month < s.until)
), drawn AS (
    SELECT enterprise, month, luck,
        round(10000 * CASE class WHEN '01' THEN 334.06 WHEN '02' THEN 11.97 WHEN '03' THEN 27.3 ELSE 11.5 END * CASE WHEN y = 2021 THEN 1.0 WHEN class = '01' THEN 1.29 ELSE 1.36 END
            * share * part * (0.92 + 0.16 * (hash(enterprise || month) % 1000) / 1000.0), 1) AS revenue
    FROM due
    -- Some stop to report without having left: who fell out.
    WHERE NOT (hash(enterprise || 'out') % 19 = 4 AND month > '2022-09')
)
SELECT enterprise, month, revenue, round(revenue * (0.17 + 0.065 * luck), 1) AS value_added, round(revenue * (0.012 + 0.087 * luck), 1) AS profit,
    round(revenue * (0.028 + 0.026 * luck), 1) AS rnd, (12 + round(revenue / 9))::BIGINT AS people
FROM drawn
