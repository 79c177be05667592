SELECT i + 1 AS task, 'p0' || (1 + i % 3) AS project, '样例工程' || (1 + i % 3) AS project_zh, 'Sample project ' || (1 + i % 3) AS project_en, '样例任务' || (i + 1) AS title_zh, 'Sample task ' || (i + 1) AS title_en,
    '3308-dsj' AS unit, '大数据局' AS unit_zh, 'Data bureau' AS unit_en, DATE '2025-12-31' AS due, (i * 17) % 101 AS percent, '2025-Q4' AS period,
    CASE WHEN (i * 17) % 101 = 100 THEN 'done' WHEN (i * 17) % 101 < 50 THEN 'red' ELSE 'yellow' END AS lamp, '' AS problem, 1.0 AS weight
FROM range(12) AS rows(i)
