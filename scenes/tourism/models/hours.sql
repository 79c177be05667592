-- title.zh: 开放时间（分钟）
-- title.en: Opening hours in minutes of the day
SELECT a.area, a.name, a.name_en, a.interest, a.visit, CAST(left(a.opens, 2) AS INTEGER) * 60 + CAST(right(a.opens, 2) AS INTEGER) AS opens, CAST(left(a.closes, 2) AS INTEGER) * 60 + CAST(right(a.closes, 2) AS INTEGER) AS closes
FROM tourism_areas AS a WHERE a.visit > 0
