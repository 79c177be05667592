-- Fourteen days of meals (样例); one in four hundred was charged wrongly.
WITH eaters AS (
    SELECT e.person, e.born, coalesce(CASE WHEN c.score >= 90 THEN 0 WHEN c.score >= 66 THEN 1 WHEN c.score >= 46 THEN 2 WHEN c.score >= 30 THEN 3 ELSE 4 END, 0) AS level, c.person IS NULL AS none
    FROM community_elders AS e LEFT JOIN community_care AS c USING (person) WHERE hash(e.person, 'eats') % 31 = 0
), eaten AS (SELECT *, DATE '2026-11-09' + d::INTEGER AS day FROM eaters, range(14) AS days(d) WHERE hash(person, d, 'meal') % 100 < CASE WHEN isodow(DATE '2026-11-09' + d::INTEGER) > 5 THEN 45 ELSE 78 END),
priced AS (
    SELECT e.person, e.day, min(r.price::DOUBLE) AS price FROM eaten AS e JOIN community_meal_rules AS r ON date_sub('year', e.born, e.day) >= r.from_age::INTEGER AND (CASE WHEN e.none THEN 0 ELSE e.level END) >= r.from_level::INTEGER GROUP BY e.person, e.day
)
SELECT 'M' || strftime(day, '%m%d') || '-' || person AS "order", person, day, price + CASE WHEN hash(person, day, 'wrong') % 400 = 0 THEN 2 ELSE 0 END AS paid FROM priced
