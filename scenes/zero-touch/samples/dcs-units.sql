SELECT 'U' || lpad((i + 1)::VARCHAR, 2, '0') AS unit, '样例企业 ' || (1 + i % 21) AS firm, ['合成', '精馏', '聚合', '电解', '公用工程'][1 + i % 5] AS section, 1 + (hash(i) % 3)::INTEGER AS operators, 8.0 + (hash(i, 'w') % 20)::INTEGER AS minute_worth
FROM range(82) AS rows(i)
