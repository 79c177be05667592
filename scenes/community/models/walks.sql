-- title.zh: 步行距离
-- title.en: Walking distances
-- refresh: table
-- key: service, node
-- From each service point over the paths, a link at a time, the shortest so far kept (Bellman–Ford); up to 24 links and 2,500 m.
WITH RECURSIVE ways AS (SELECT a, b, metres FROM community_paths UNION ALL SELECT b AS a, a AS b, metres FROM community_paths),
steps(service, node, metres, n) AS (
    SELECT service, node, 0.0::DOUBLE, 0 FROM community_services WHERE node IS NOT NULL
    UNION ALL SELECT s.service, e.b, min(s.metres + e.metres), s.n + 1 FROM steps AS s JOIN ways AS e ON e.a = s.node WHERE s.n < 24 AND s.metres + e.metres <= 2500 GROUP BY s.service, e.b, s.n
)
SELECT service, node, min(metres) AS metres FROM steps GROUP BY service, node
