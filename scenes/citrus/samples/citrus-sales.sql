-- What was sorted is sold within some weeks (样例); a sale in two hundred says more than there was.
WITH sold AS (
    SELECT s.batch, s.grade, s.sorted, s.weight, p.variety, n, (hash(s.batch, s.grade, n, 'sale') % 1000003)::INTEGER AS h
    FROM citrus_sorting AS s JOIN citrus_batches AS b USING (batch) JOIN citrus_plots AS p USING (plot), range(2) AS rows(n) WHERE s.grade <> '等外'
)
SELECT 'S-' || batch || '-' || CASE grade WHEN '特级' THEN 'T' WHEN '一级' THEN '1' ELSE '2' END || '-' || n AS sale, batch, grade,
    sorted + (2 + n * 16 + h % 14)::INTEGER AS sold,
    round(weight * CASE WHEN n = 0 THEN 0.5 ELSE 0.4 END * CASE WHEN h % 331 = 0 THEN 2.4 ELSE 1 END, 0) AS weight,
    round((CASE variety WHEN '红美人' THEN 16 WHEN '椪柑' THEN 4.6 WHEN '胡柚' THEN 3.8 ELSE 3.2 END) * (CASE grade WHEN '特级' THEN 1.55 WHEN '一级' THEN 1 ELSE 0.72 END)
        * (1 + 0.12 * sin((month(sorted) * 30 + day(sorted) + n * 16) / 14.0)) * CASE WHEN year(sorted) = 2026 THEN 1.04 ELSE 1 END * (0.95 + (h % 100) / 1000.0), 2) AS price,
    ['电商', '批发', '商超', '直采'][1 + h % 4] AS channel,
    ['浙江', '上海', '江苏', '江西', '安徽', '福建', '北京', '广东'][1 + (h // 7) % 8] AS province
FROM sold
