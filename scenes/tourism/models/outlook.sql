-- title.zh: 下一个（或正在过的）假期
-- title.en: The holiday that is next, or now
-- Of the newest holiday for which there is a forecast: forecast × exp(± 2 × spread), some 95 % if errors are as they were; days of one holiday err together.
SELECT a.year, a.holiday, a.area, c.name, c.name_en, c.county, a.day, a.nth, a.forecast, a.forecast * exp(-2 * e.spread) AS low, a.forecast * exp(2 * e.spread) AS high, a.naive, a.years, d.visitors AS actual, c.a_day
FROM ahead AS a JOIN capacities AS c ON c.area = a.area LEFT JOIN ahead_errors AS e ON e.area = a.area LEFT JOIN tourism_days AS d ON d.area = a.area AND d.day = a.day
WHERE a.begins = (SELECT max(begins) FROM ahead)
