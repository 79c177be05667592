-- Visitors by day (样例) from November 2023 to 2 October 2026: seasons, weekends, holidays with their course, growth, chance; two days are missing.
WITH days AS (SELECT DATE '2023-11-01' + n::INTEGER AS day FROM range(1067) AS r(n)),
holidays AS (SELECT d.day, h.holiday, d.day - h.begins::DATE AS n, h.ends::DATE - h.begins::DATE AS length FROM days AS d JOIN tourism_holidays AS h ON d.day BETWEEN h.begins::DATE AND h.ends::DATE),
made AS (
    SELECT a.area, d.day, coalesce(a.capacity::INTEGER, 1500) * 0.18 * (1 + 0.25 * sin(2 * pi() * (dayofyear(d.day) - 40) / 182.5)) * CASE WHEN isodow(d.day) >= 6 AND h.holiday IS NULL THEN 1.7 ELSE 1 END
        * CASE h.holiday WHEN '春节' THEN 3.0 WHEN '劳动节' THEN 3.6 WHEN '国庆' THEN 3.5 WHEN '清明' THEN 2.4 WHEN '中秋' THEN 2.2 WHEN '端午' THEN 2.2 WHEN '元旦' THEN 1.9 ELSE 1 END
        * CASE WHEN h.n IS NULL OR h.length < 2 THEN 1 ELSE 1.12 - 1.1 * power((h.n - 0.4 * h.length) / h.length, 2) END
        * power(1.08, (d.day - DATE '2024-01-01') / 365.0) * (1 + ((hash(a.area, year(d.day), month(d.day), 'm') % 100)::INTEGER - 50) / 500.0) * (1 + ((hash(a.area, d.day) % 100)::INTEGER - 50) / 280.0)
        * (1 + ((hash(d.day, 'sky') % 100)::INTEGER - 50) / 260.0) AS visitors
    FROM tourism_areas AS a CROSS JOIN days AS d LEFT JOIN holidays AS h ON h.day = d.day
)
SELECT area, day, round(visitors)::INTEGER AS visitors FROM made WHERE NOT (area = 'SQS' AND day IN (DATE '2026-03-10', DATE '2026-03-11'))
