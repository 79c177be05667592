-- title.zh: 累计与同比
-- title.en: Since the beginning of the year, and over the year before
SELECT now.month, now.dimension, now.member, now.enterprises, now.month_revenue, before.month_revenue AS month_before, now.revenue, before.revenue AS revenue_before,
    now.value_added, before.value_added AS value_added_before, now.profit, before.profit AS profit_before, now.rnd, before.rnd AS rnd_before,
    100.0 * (now.revenue / before.revenue - 1) AS growth
FROM so_far AS now LEFT JOIN so_far AS before
    ON before.dimension = now.dimension AND before.member = now.member
    AND before.month = CAST(CAST(left(now.month, 4) AS INTEGER) - 1 AS VARCHAR) || right(now.month, 3)
