-- title.zh: 假期预测
-- title.en: Holidays ahead
-- The same day of the same holiday in each year before, times how the four weeks before went beside the four weeks before then; the mean over the years.
-- Naive is the same day of the holiday a year before, as it was. Made for every holiday that may be, so that the past tells how far it errs.
WITH days AS (SELECT year, holiday, begins, CAST(nth AS BIGINT) AS nth FROM tourism_holidays CROSS JOIN range(1, 10) AS r(nth) WHERE nth <= ends - begins + 1)
SELECT d.year, d.holiday, d.begins, d.nth, b.area, d.begins + CAST(d.nth - 1 AS INTEGER) AS day, avg(p.visitors * b.usual / nullif(q.usual, 0)) AS forecast, max_by(p.visitors, p.year) AS naive, max(p.year) AS naive_year, count(*) AS years
FROM days AS d JOIN before_holidays AS b ON b.year = d.year AND b.holiday = d.holiday JOIN holiday_days AS p ON p.holiday = d.holiday AND p.nth = d.nth AND p.area = b.area AND p.year < d.year
JOIN before_holidays AS q ON q.year = p.year AND q.holiday = p.holiday AND q.area = p.area GROUP BY ALL
