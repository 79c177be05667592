-- Cases of use of the year before (样例): found, put right, re-checked.
WITH picked AS (SELECT plot, row_number() OVER (ORDER BY hash(plot, 'past')) AS n FROM grain_plots)
SELECT 'S-U' || lpad(n::VARCHAR, 3, '0') AS number, 'done' AS state, NULL::VARCHAR AS step, TIMESTAMP '2025-04-02 10:00:00' + INTERVAL 1 DAY * (n * 11) AS opened, TIMESTAMP '2025-05-06 16:00:00' + INTERVAL 1 DAY * (n * 13) AS closed, TIMESTAMP '2025-05-20 17:30:00' + INTERVAL 1 DAY * (n * 11) AS due,
    plot, CASE WHEN n % 3 = 0 THEN '非农化' ELSE '非粮化' END AS kind, CASE WHEN n % 4 = 0 THEN 'mistake' ELSE 'confirmed' END AS verdict, CASE WHEN n % 4 = 0 THEN NULL ELSE 'restored' END AS proof
FROM picked WHERE n <= 9
