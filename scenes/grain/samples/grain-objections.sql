-- Objections of the rounds before (样例); those that come in are written by their cases.
WITH picked AS (SELECT plot, season, row_number() OVER (ORDER BY hash(plot, season, 'objection')) AS n FROM (SELECT DISTINCT plot, season FROM grain_sowings WHERE season IN ('2025-2', '2026-1')))
SELECT 'S-Y' || lpad(n::VARCHAR, 3, '0') AS number, 'done' AS state, NULL::VARCHAR AS step, TIMESTAMP '2025-11-12 09:30:00' + INTERVAL 1 HOUR * (n * 7) AS opened, TIMESTAMP '2025-11-17 15:00:00' + INTERVAL 1 HOUR * (n * 9) AS closed, TIMESTAMP '2025-11-24 17:30:00' AS due,
    plot, season, ['area', 'not-grown', 'not-mine', 'crop'][1 + n % 4] AS ground, CASE WHEN n % 5 = 0 THEN 'upheld' ELSE 'rejected' END AS decision
FROM picked WHERE n <= 10
