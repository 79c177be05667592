-- title.zh: 季度
-- title.en: Quarters
SELECT left(month, 4) || 'Q' || CAST((CAST(right(month, 2) AS INTEGER) + 2) // 3 AS VARCHAR) AS quarter, dimension, member,
    sum(revenue) AS revenue, sum(value_added) AS value_added, sum(profit) AS profit, sum(rnd) AS rnd, count(*) AS months
FROM economy_monthly GROUP BY quarter, dimension, member
