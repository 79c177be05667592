-- Quarters of 2024 to the third of 2026 (样例), in yuan and cents; the newest lacks one figure of Qianhai.
WITH quarters AS (SELECT y || 'Q' || q AS period, (y - 2024) * 4 + q AS n, q FROM range(2024, 2027) AS years(y), range(1, 5) AS quarters(q) WHERE NOT (y = 2026 AND q = 4))
SELECT e.enclave, t.period, item.item, round(item.base * (1 + (hash(e.enclave, 'size') % 300) / 100.0) * (1 + 0.03 * t.n) * (0.9 + (hash(e.enclave, t.period, item.item) % 200) / 1000.0) * CASE WHEN t.q = 4 THEN 1.2 ELSE 1 END, 2) AS amount
FROM invest_enclaves AS e, quarters AS t, (VALUES ('税收', 2100000.37), ('产值', 96000000.11), ('成本', 830000.53)) AS item(item, base)
WHERE NOT (e.enclave = 'F5' AND t.period = '2026Q3' AND item.item = '成本')
