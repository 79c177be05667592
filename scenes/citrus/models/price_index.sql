-- title.zh: 价格指数
-- title.en: Price index
-- Laspeyres: this week's prices at the weights of the base season (the first there is), by variety and grade; 100 = the base season.
-- What was not sold in a week is left out of both sides of that week.
WITH base AS (
    SELECT variety, grade, sum(weight) AS weight, sum(weight * price) / sum(weight) AS price FROM weekly_price
    WHERE week < (SELECT min(week) FROM weekly_price) + 180 GROUP BY variety, grade
)
SELECT w.week, round(100 * sum(w.price * b.weight) / sum(b.price * b.weight), 2) AS index, sum(w.weight) AS weight, count(*) AS goods
FROM weekly_price AS w JOIN base AS b ON b.variety = w.variety AND b.grade = w.grade
GROUP BY w.week
