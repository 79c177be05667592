-- Eight years (样例). Two fifths of the plots are let to the village's large grower; most of those and a fifth of the others grow early rice too. Two plots were claimed twice in 2026.
WITH seasons AS (
    SELECT p.plot, p.village, p.holder, p.right_mu, y.year::INTEGER AS year, s.season FROM grain_plots AS p, range(2019, 2027) AS y(year), (VALUES ('1'), ('2')) AS s(season)
    WHERE s.season = '2' OR (hash(p.plot, 'double') % 100)::INTEGER < CASE WHEN (hash(p.plot, 'let') % 100)::INTEGER < 42 THEN 72 ELSE 20 END
), villages AS (SELECT village, row_number() OVER (ORDER BY village) AS v FROM grain_villages),
sown AS (
    SELECT s.*, CASE WHEN (hash(s.plot, 'let') % 100)::INTEGER < 42 THEN 'D' || lpad(v.v::VARCHAR, 3, '0') ELSE s.holder END AS grower, (hash(s.plot, s.year, s.season) % 1000)::INTEGER AS h
    FROM seasons AS s JOIN villages AS v ON v.village = s.village
)
SELECT plot, year || '-' || season AS season, grower, CASE season WHEN '1' THEN '早稻' ELSE '单季稻' END AS crop,
    CASE season WHEN '1' THEN ['中早39', '中嘉早17'][1 + h % 2] ELSE ['甬优1540', '甬优15', '嘉58'][1 + h % 3] END AS variety, round(right_mu * 0.97, 2) AS area_mu,
    CASE season WHEN '1' THEN make_date(year, 4, 8) + (h % 11)::INTEGER ELSE make_date(year, 6, 12) + (h % 13)::INTEGER END AS sown
FROM sown
UNION ALL
SELECT plot, '2026-2', 'G' || lpad((1 + (hash(plot, 'second') % 300)::INTEGER)::VARCHAR, 4, '0'), '单季稻', '嘉58', right_mu, DATE '2026-06-20' FROM (SELECT plot, right_mu, row_number() OVER (ORDER BY hash(plot, 'claim')) AS n FROM grain_plots) WHERE n <= 2
