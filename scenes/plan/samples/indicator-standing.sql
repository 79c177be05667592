-- For a city that has no plan yet (样例).
SELECT 'g01' AS code, 0 AS position, '样例指标' AS title_zh, 'Sample indicator' AS title_en, '综合' AS group_zh, 'Overall' AS group_en, '亿元' AS unit_zh, '100 million yuan' AS unit_en,
    'on-track' AS standing, '2019' AS base_period, 49.72 AS base, '2022' AS period, 80.0 AS actual, 75.0 AS expected, 5.0 AS gap, '2025' AS target_period, 125.0 AS target, 0.16 AS needed, 0.17 AS grown, 110.3 AS forecast
