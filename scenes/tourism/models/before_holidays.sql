-- title.zh: 假期前四周
-- title.en: The four weeks before each holiday
-- Mean of a day that is in no holiday, in the 28 days before; at least half of them must be known.
SELECT h.year, h.holiday, h.begins, h.ends, d.area, avg(d.visitors) AS usual, count(*) AS days
FROM tourism_holidays AS h JOIN tourism_days AS d ON d.day < h.begins AND d.day >= h.begins - 28 LEFT JOIN tourism_holidays AS o ON d.day BETWEEN o.begins AND o.ends
WHERE o.year IS NULL GROUP BY h.year, h.holiday, h.begins, h.ends, d.area HAVING count(*) >= 10
