-- title.zh: 进口道运行
-- title.en: How approaches run
-- Under today's plan, by HCM: capacity c = s·g/C, X = v/c, delay d1 = 0.5C(1−g/C)²/(1−min(1,X)g/C), d2 = 900T[(X−1)+√((X−1)²+8kIX/(cT))] with T = 0.25 h,
-- k = 0.5, I = 1; the level by the limits of the table, and F wherever X > 1.
WITH loaded AS (
    SELECT f.approach, f.begins, f.flow, f.speed, f.counted_at, a.junction, a.side, a.length_m, a.free_speed, p.cycle, p.green / p.cycle AS share, a.saturation * p.green / p.cycle AS capacity,
        f.flow / (a.saturation * p.green / p.cycle) AS x
    FROM flows AS f JOIN traffic_approaches AS a ON a.approach = f.approach JOIN plan_splits AS p ON p.plan = '现用' AND p.junction = a.junction AND p.stage = a.stage
), delayed AS (
    SELECT *, 0.5 * cycle * pow(1 - share, 2) / (1 - least(1, x) * share) AS d1, 225 * ((x - 1) + sqrt(pow(x - 1, 2) + 16 * x / capacity)) AS d2 FROM loaded
)
SELECT d.approach, d.begins, d.flow, d.speed, d.counted_at, d.junction, d.side, d.length_m, d.free_speed, d.capacity, d.x, d.d1 + d.d2 AS delay,
    CASE WHEN d.flow IS NULL THEN NULL WHEN d.x > 1 THEN 'F' ELSE l.level END AS level,
    CASE WHEN d.speed IS NOT NULL AND d.free_speed > 0 THEN least(1, d.speed / d.free_speed) END AS ratio,
    CASE WHEN d.speed IS NULL OR d.free_speed IS NULL THEN NULL WHEN d.speed / d.free_speed > 0.7 THEN '畅通' WHEN d.speed / d.free_speed > 0.5 THEN '基本畅通' WHEN d.speed / d.free_speed > 0.4 THEN '轻度拥堵' WHEN d.speed / d.free_speed > 0.3 THEN '中度拥堵' ELSE '严重拥堵' END AS class
FROM delayed AS d LEFT JOIN traffic_los AS l ON d.d1 + d.d2 > l.above AND (l.upto IS NULL OR d.d1 + d.d2 <= l.upto)
