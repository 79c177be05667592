-- Five services in each community (样例).
WITH spots AS (SELECT place, lon::DOUBLE AS lon, lat::DOUBLE AS lat, row_number() OVER (ORDER BY place) - 1 AS p FROM community_places),
kinds AS (SELECT * FROM (VALUES (0, '助餐'), (1, '卫生'), (2, '课堂'), (3, '生活'), (4, '工位')) AS k(k, kind)),
drawn AS (SELECT s.*, k.k, k.kind, (hash(s.p, k.k, 'service') % 30)::INTEGER AS n FROM spots AS s, kinds AS k)
SELECT 'F' || lpad(p::VARCHAR, 2, '0') || '-' || k AS service, place, kind, CASE WHEN p < 21 THEN 'N' || lpad(p::VARCHAR, 2, '0') || '-' || lpad(n::VARCHAR, 2, '0') END AS node,
    round(lon + (n % 6) * 0.00185, 6) AS lon, round(lat + (n // 6) * 0.00162, 6) AS lat
FROM drawn
