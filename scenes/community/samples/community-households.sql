-- 18,600 households (样例): three to five elders, drawn over 24 communities; the last three have no list of walking paths.
WITH spots AS (SELECT place, lon::DOUBLE AS lon, lat::DOUBLE AS lat, row_number() OVER (ORDER BY place) - 1 AS p FROM community_places),
drawn AS (SELECT h, (hash(h, 'place') % 24)::INTEGER AS p, (hash(h, 'node') % 30)::INTEGER AS n, h % 3 AS sort, (hash(h, 'size') % 100)::INTEGER AS u FROM range(18600) AS rows(h))
SELECT 'H' || lpad(h::VARCHAR, 5, '0') AS household, place, CASE WHEN d.p < 21 THEN 'N' || lpad(d.p::VARCHAR, 2, '0') || '-' || lpad(n::VARCHAR, 2, '0') END AS node,
    round(lon + (n % 6) * 0.00185 + u / 1e6, 6) AS lon, round(lat + (n // 6) * 0.00162 + u / 1e6, 6) AS lat,
    CASE WHEN sort = 0 AND u < 55 THEN 1 WHEN sort = 0 THEN 2 + u % 3 ELSE 2 + (u % 10) // 5 * 2 END AS size
FROM drawn AS d JOIN spots AS s ON s.p = d.p
