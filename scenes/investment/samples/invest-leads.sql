-- 420 leads of two years (样例); one in twelve has a figure that was not told. They come more often for links where something lacks.
WITH dice AS (
    SELECT i, (hash(i, 'x') % 1000) / 1000.0 AS x, (hash(i, 'y') % 1000) / 1000.0 AS y, (hash(i, 'z') % 1000) / 1000.0 AS z, (hash(i, 'lost') % 48)::INTEGER AS lost,
        CASE WHEN hash(i, 'gap') % 5 < 2 THEN ['IC03', 'IC04', 'WL01', 'LB05', 'DS02'][1 + (hash(i, 'which') % 5)::INTEGER] ELSE (SELECT list(link ORDER BY link) FROM invest_links)[1 + (hash(i, 'link') % 26)::INTEGER] END AS link FROM range(420) AS r(i)
), sized AS (
    SELECT *, round(800 + pow(x, 3) * 240000, 0) AS investment FROM dice
)
SELECT printf('X%04d', i + 1) AS lead, printf('样例意向 %03d', i + 1) AS name, link, ['以商引商', '中介招商', '联动招商', '专班招商', '模块化招商'][1 + (hash(i, 'way') % 5)::INTEGER] AS way,
    ['杭州', '上海', '深圳', '北京', '苏州', '宁波', '合肥'][1 + (hash(i, 'from') % 7)::INTEGER] AS origin, DATE '2024-12-01' + (hash(i, 'at') % 720)::INTEGER AS contacted, investment,
    CASE WHEN lost <> 1 THEN round(investment / (180 + 420 * y), 1) END AS land, CASE WHEN lost <> 2 THEN round(investment * (0.5 + z) * (0.06 + 0.34 * pow(1 - y, 2)), 0) END AS energy, round(investment * (0.5 + z), 0) AS output,
    CASE WHEN lost <> 3 THEN round(investment / (180 + 420 * y) * (8 + 38 * z), 1) END AS tax, CASE WHEN lost <> 4 THEN round(0.5 + 7 * (hash(i, 'r') % 1000) / 1000.0, 1) END AS research, 1 + (hash(i, 'g') % 10 // 5)::INTEGER + CASE WHEN hash(i, 'g2') % 6 = 0 THEN 1 ELSE 0 END AS green
FROM sized
