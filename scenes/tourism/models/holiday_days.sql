-- title.zh: 假期各日
-- title.en: Days of holidays
SELECT d.area, h.year, h.holiday, h.begins, h.ends, d.day, d.day - h.begins + 1 AS nth, d.visitors FROM tourism_days AS d JOIN tourism_holidays AS h ON d.day BETWEEN h.begins AND h.ends WHERE d.day <= city_today()
