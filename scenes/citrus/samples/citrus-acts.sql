-- Farming acts (样例) of two seasons; labels of pesticides say how long before the harvest they may be used last.
WITH years AS (SELECT p.plot, p.area, y.year, (hash(p.plot, y.year, 'act') % 1000003)::INTEGER AS h FROM citrus_plots AS p, (VALUES (2025), (2026)) AS y(year)),
acts AS (
    SELECT plot, area, year, n, (hash(plot, year, n) % 1000003)::INTEGER AS h FROM years, range(9) AS rows(n)
)
SELECT 'A' || year || '-' || plot || '-' || n AS act, plot,
    CASE WHEN n < 8 THEN make_date(year, 2, 1) + (n * 28 + h % 20)::INTEGER
        -- The last one of the season lies so close before the harvest that a few break the interval.
        ELSE make_date(year, 9, 10) + (h % 14)::INTEGER END AS day,
    CASE n WHEN 0 THEN '修剪' WHEN 1 THEN '施肥' WHEN 2 THEN '用药' WHEN 3 THEN '灌溉' WHEN 4 THEN '疏果' WHEN 5 THEN '用药' WHEN 6 THEN '施肥' WHEN 7 THEN '灌溉' ELSE '用药' END AS kind,
    CASE WHEN n IN (1, 6) THEN ['有机肥', '复合肥', '菜籽饼'][1 + h % 3] WHEN n IN (2, 5, 8) THEN ['代森锰锌', '螺螨酯', '吡虫啉', '矿物油'][1 + h % 4] END AS material,
    CASE WHEN n IN (1, 6) THEN round(area * (30 + h % 40), 1) WHEN n IN (2, 5, 8) THEN round(area * (1 + h % 5) / 10.0, 2) END AS amount,
    CASE WHEN n IN (2, 5, 8) THEN [21, 30, 21, 0][1 + h % 4] END AS interval_days
FROM acts WHERE n < 8 OR h % 12 = 0
