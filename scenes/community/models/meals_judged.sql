-- title.zh: 助餐订单与应付
-- title.en: Meals and what was due
-- The lowest price that fits age and level on the day of the meal. Of a person who is not known nothing is due that could be said.
WITH eaten AS (
    SELECT m.order, m.person, m.day, m.paid, p.place, year(m.day) - year(e.born) - CASE WHEN strftime(m.day, '%m%d') < strftime(e.born, '%m%d') THEN 1 ELSE 0 END AS age, coalesce(c.level, 0) AS level
    FROM community_meals AS m LEFT JOIN community_elders AS e ON e.person = m.person LEFT JOIN persons AS p ON p.person = m.person LEFT JOIN care AS c ON c.person = m.person
)
SELECT e.order, e.person, e.day, e.place, e.age, e.level, e.paid, min(r.price) AS due, e.paid - min(r.price) AS too_much
FROM eaten AS e LEFT JOIN community_meal_rules AS r ON e.age >= r.from_age AND e.level >= r.from_level GROUP BY e.order, e.person, e.day, e.place, e.age, e.level, e.paid
