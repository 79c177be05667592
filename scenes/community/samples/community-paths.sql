-- A net of paths of 180 m and more in 21 communities (样例); some links are missing as where a river or a wall lies between.
WITH nodes AS (SELECT p, n FROM range(21) AS places(p), range(30) AS nodes(n)),
links AS (
    SELECT p, n, n + 1 AS m FROM nodes WHERE n % 6 < 5
    UNION ALL SELECT p, n, n + 6 FROM nodes WHERE n < 24
)
SELECT 'N' || lpad(p::VARCHAR, 2, '0') || '-' || lpad(n::VARCHAR, 2, '0') AS a, 'N' || lpad(p::VARCHAR, 2, '0') || '-' || lpad(m::VARCHAR, 2, '0') AS b, 180 + 5 * (hash(p, n, m, 'len') % 15)::INTEGER AS metres
FROM links WHERE hash(p, n, m, 'wall') % 100 >= 14
