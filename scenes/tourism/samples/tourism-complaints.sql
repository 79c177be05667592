-- A year of complaints that were answered (样例), more after holidays; a few took longer than they may. New ones are written by their cases.
WITH n AS (SELECT i, (hash(i, 'complaint') % 100003)::INTEGER AS h FROM range(260) AS r(i)),
timed AS (SELECT i, h, CASE WHEN h % 3 = 0 THEN TIMESTAMP '2025-10-02 09:00:00' + INTERVAL 1 HOUR * (h % 260) WHEN h % 3 = 1 THEN TIMESTAMP '2026-05-02 09:00:00' + INTERVAL 1 HOUR * (h % 300) ELSE TIMESTAMP '2025-10-10 09:00:00' + INTERVAL 1 HOUR * (h % 8200) END AS opened FROM n)
SELECT 'S-T' || lpad((i + 1)::VARCHAR, 4, '0') AS number, 'done' AS state, NULL::VARCHAR AS step, CASE WHEN h % 11 = 0 THEN 'refused' ELSE 'answered' END AS outcome, opened, opened + INTERVAL 1 HOUR * (CASE WHEN h % 11 = 0 THEN 40 + h % 60 WHEN h % 47 = 0 THEN 1500 + h % 200 ELSE 120 + h % 900 END) AS closed, opened + INTERVAL 60 DAY AS due,
    CASE WHEN h % 53 = 0 THEN NULL ELSE ['JLS', 'NBD', 'QYW', 'GGF', 'QJY', 'KSJ', 'STM', 'LKS', 'TYQ', 'TJL', 'YWS', 'LYS', 'MJY', 'SQS', 'STM', 'GGF', 'TJL'][1 + h % 17] END AS area,
    ['票务', '服务', '购物', '卫生', '安全', '退款'][1 + (h // 7) % 6] AS kind, CASE WHEN h % 11 = 0 THEN 'no' ELSE 'yes' END AS accepted, CASE WHEN h % 11 = 0 THEN NULL ELSE ['调解成功', '赔偿', '不成立'][1 + (h // 13) % 3] END AS decided
FROM timed
