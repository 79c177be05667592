-- Plots (样例): the cells of each village's field, with corners that neighbours share. Faults on purpose: two plots are missing (gaps), two reach
-- into their neighbours, one crosses itself, one leaves its village.
WITH villages AS (
    SELECT village, row_number() OVER (ORDER BY village) - 1 AS v, regexp_extract(outline, '\(\(([0-9.]+) ', 1)::DOUBLE AS lon, regexp_extract(outline, '\(\([0-9.]+ ([0-9.]+),', 1)::DOUBLE AS lat FROM grain_villages
), corners AS (
    SELECT village, v, i, j,
        lon + i * 0.00062 - j * 0.00009 + CASE WHEN i IN (0, 8) OR j IN (0, 6) THEN 0 ELSE ((hash(v, i, j) % 1000)::INTEGER - 500) / 500.0 * 0.00006 END AS x,
        lat + i * 0.00008 + j * 0.00045 + CASE WHEN i IN (0, 8) OR j IN (0, 6) THEN 0 ELSE ((hash(v, i, j, 'y') % 1000)::INTEGER - 500) / 500.0 * 0.00004 END AS y
    FROM villages, range(9) AS a(i), range(7) AS b(j)
), cells AS (
    SELECT c.village, c.v, c.i, c.j, 'L' || right(c.village, 6) || '-' || lpad((c.j * 8 + c.i + 1)::VARCHAR, 2, '0') AS plot, c.x AS x1, c.y AS y1,
        -- Two plots reach some 12 m into the next one, one leaves the village by some 30 m.
        p2.x + CASE WHEN (c.v, c.i, c.j) IN ((2, 3, 2), (8, 5, 1)) THEN 0.00012 WHEN (c.v, c.i, c.j) = (7, 7, 3) THEN 0.0003 ELSE 0 END AS x2, p2.y AS y2, p3.x AS x3, p3.y AS y3, p4.x AS x4, p4.y AS y4
    FROM corners AS c JOIN corners AS p2 ON p2.v = c.v AND p2.i = c.i + 1 AND p2.j = c.j JOIN corners AS p3 ON p3.v = c.v AND p3.i = c.i + 1 AND p3.j = c.j + 1 JOIN corners AS p4 ON p4.v = c.v AND p4.i = c.i AND p4.j = c.j + 1
), drawn AS (
    SELECT *, abs(x1 * y2 - x2 * y1 + x2 * y3 - x3 * y2 + x3 * y4 - x4 * y3 + x4 * y1 - x1 * y4) / 2 * 110850 * 97350 / 666.6667 AS mu FROM cells
)
SELECT plot, village, 'G' || lpad((v * 30 + (hash(plot, 'h') % 30)::INTEGER + 1)::VARCHAR, 4, '0') AS holder,
    -- The area of the right was measured in its own way: a per cent to and fro; in one plot it is a fifth too much.
    round(mu * (1 + ((hash(plot, 'a') % 200)::INTEGER - 100) / 10000.0) * CASE WHEN (v, i, j) = (4, 2, 2) THEN 1.2 ELSE 1 END, 2) AS right_mu,
    (hash(plot, 'p') % 100)::INTEGER < 82 AS permanent,
    CASE WHEN (v, i, j) = (5, 4, 4) THEN printf('POLYGON((%.7f %.7f, %.7f %.7f, %.7f %.7f, %.7f %.7f, %.7f %.7f))', x1, y1, x3, y3, x2, y2, x4, y4, x1, y1)
        ELSE printf('POLYGON((%.7f %.7f, %.7f %.7f, %.7f %.7f, %.7f %.7f, %.7f %.7f))', x1, y1, x2, y2, x3, y3, x4, y4, x1, y1) END AS outline
FROM drawn WHERE (v, i, j) NOT IN ((3, 2, 3), (9, 5, 2))
