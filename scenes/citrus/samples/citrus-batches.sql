-- Two pickings a plot and season (样例), in October.
WITH pickings AS (
    SELECT p.plot, p.area, y.year, n, (hash(p.plot, y.year, n, 'pick') % 1000003)::INTEGER AS h FROM citrus_plots AS p, (VALUES (2025), (2026)) AS y(year), range(2) AS rows(n)
)
SELECT 'B' || year || '-' || plot || '-' || (n + 1) AS batch, plot,
    make_date(year, 10, 1) + (n * 14 + h % 12)::INTEGER AS picked,
    round(area * (700 + h % 900) * CASE WHEN year = 2026 THEN 1.06 ELSE 1 END, 0) AS weight
FROM pickings WHERE h % 10 < 9
