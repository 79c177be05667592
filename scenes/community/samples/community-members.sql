-- Of five elders one lives in a household of one elder, four in couples; three stand in two households (样例).
SELECT 'H' || lpad((i // 5 * 3 + [0, 1, 1, 2, 2][1 + i % 5])::VARCHAR, 5, '0') AS household, 'P' || lpad(i::VARCHAR, 5, '0') AS person, DATE '2019-09-01' + (hash(i, 'since') % 2000)::INTEGER AS since
FROM range(31000) AS rows(i)
UNION ALL SELECT 'H' || lpad(((i * 7 + 900) % 18600)::VARCHAR, 5, '0'), 'P' || lpad(i::VARCHAR, 5, '0'), DATE '2026-06-01' FROM (VALUES (120), (4505), (20011)) AS twice(i)
