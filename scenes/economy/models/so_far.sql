-- title.zh: 年初至今（累计）
-- title.en: Since the beginning of the year
SELECT month, dimension, member, enterprises, revenue AS month_revenue,
    sum(revenue) OVER (PARTITION BY dimension, member, left(month, 4) ORDER BY month) AS revenue,
    sum(value_added) OVER (PARTITION BY dimension, member, left(month, 4) ORDER BY month) AS value_added,
    sum(profit) OVER (PARTITION BY dimension, member, left(month, 4) ORDER BY month) AS profit,
    sum(rnd) OVER (PARTITION BY dimension, member, left(month, 4) ORDER BY month) AS rnd
FROM economy_monthly
