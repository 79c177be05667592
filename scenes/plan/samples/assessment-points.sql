SELECT 1 AS round, 'counties' AS scheme, '样例考核' AS scheme_zh, 'Sample' AS scheme_en, '2025' AS period, 'final' AS state, u.unit, u.zh AS unit_zh, u.en AS unit_en, u.rank, 30.0 - 10 * u.rank AS total,
    'a' AS item, '样例项' AS item_zh, 'Sample item' AS item_en, 30.0 - 10 * u.rank AS points, 30.0 AS most, '30 − 10 × ' || u.rank AS arithmetic, true AS sample
FROM (VALUES ('330802', '柯城区', 'Kecheng', 1), ('330803', '衢江区', 'Qujiang', 2)) AS u(unit, zh, en, rank)
