-- What was seen (样例): each quarter from space since 2025, the crop for most; some plots change, two noisy readings of little confidence, patrols with photos.
WITH picked AS (SELECT plot, permanent, row_number() OVER (ORDER BY hash(plot, 'use')) AS n FROM grain_plots),
epochs AS (SELECT * FROM (VALUES (DATE '2025-03-15', '油菜', 0), (DATE '2025-06-10', '早稻', 1), (DATE '2025-09-05', '单季稻', 2), (DATE '2026-03-18', '油菜', 3), (DATE '2026-06-12', '早稻', 4), (DATE '2026-09-08', '单季稻', 5)) AS t(seen, usual, e)),
changes AS (SELECT * FROM (VALUES (1, '苗木', 3), (2, '苗木', 4), (3, '鱼塘', 3), (4, '建设', 4), (5, '堆场', 4), (6, '果园', 2), (7, '建设', 3), (8, '撂荒', 0), (9, '撂荒', 0), (10, '苗木', 4), (11, '果园', 5), (12, '鱼塘', 5)) AS t(n, became, since))
SELECT 'C' || p.plot || '-' || e.e AS class, p.plot, e.seen, CASE WHEN e.e IN (2, 5) AND (hash(p.plot) % 9)::INTEGER = 0 THEN '无人机' ELSE '遥感' END AS how,
    CASE WHEN e.e >= c.since THEN c.became WHEN e.usual = '油菜' AND (hash(p.plot, e.e) % 3)::INTEGER > 0 THEN CASE (hash(p.plot, e.e) % 3)::INTEGER WHEN 1 THEN '小麦' ELSE '蔬菜' END ELSE e.usual END AS found,
    round(0.78 + (hash(p.plot, e.e, 'c') % 21)::INTEGER / 100.0, 2) AS confidence, NULL::VARCHAR AS photo
FROM picked AS p CROSS JOIN epochs AS e LEFT JOIN changes AS c ON c.n = p.n
UNION ALL SELECT 'N' || plot, plot, DATE '2026-09-09', '遥感', '建设', 0.35, NULL FROM picked WHERE n IN (30, 31)
UNION ALL SELECT 'X' || plot, plot, DATE '2026-09-20', '巡查', CASE n WHEN 11 THEN '果园' ELSE '鱼塘' END, 0.95, 'photo-' || plot FROM picked WHERE n IN (11, 12)
