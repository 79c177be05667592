-- title.zh: 月度跳变
-- title.en: Leaps from month to month
-- How far an enterprise's change from month to month lies from what the month did to all, in robust standard deviations: the median
-- and the median absolute deviation are not moved by the outlier that is sought (Iglewicz and Hoaglin 1993: 0.6745 · d ÷ MAD).
WITH steps AS (
    SELECT enterprise, month, revenue, lag(revenue) OVER (PARTITION BY enterprise ORDER BY month) AS before,
        ln(revenue) - ln(lag(revenue) OVER (PARTITION BY enterprise ORDER BY month)) AS step
    FROM economy_reports WHERE revenue > 0
), moved AS (
    SELECT enterprise, month, revenue, before, step - median(step) OVER (PARTITION BY month) AS away FROM steps WHERE step IS NOT NULL
)
SELECT enterprise, month, revenue, before, away, 0.6745 * away / greatest(median(abs(away)) OVER (), 0.01) AS z FROM moved
