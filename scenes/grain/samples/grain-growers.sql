-- Thirty households a village and one who farms on a larger scale: generated, nobody real (样例).
WITH villages AS (SELECT village, row_number() OVER (ORDER BY village) - 1 AS v FROM grain_villages)
SELECT 'G' || lpad((v * 30 + n + 1)::VARCHAR, 4, '0') AS grower, '样例户 ' || (v * 30 + n + 1) AS name, village, '承包户' AS kind FROM villages, range(30) AS r(n)
UNION ALL SELECT 'D' || lpad((v + 1)::VARCHAR, 3, '0'), '样例大户 ' || (v + 1), village, '种粮大户' FROM villages
