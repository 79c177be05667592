-- title.zh: 村内的空隙
-- title.en: Gaps within villages
-- refresh: table
-- key: village
-- The village's farmland less the union of its plots. Named as a gap from 500 m² on (a proposal): below lie ditches and paths.
WITH covered AS (SELECT village, ST_Union_Agg(geom) AS geom, count(*) AS plots FROM drawn WHERE geom IS NOT NULL GROUP BY village)
SELECT v.village, v.name, v.town_code, v.town, coalesce(c.plots, 0) AS plots, ST_Area_Spheroid(v.geom) AS field_m2,
    CASE WHEN c.geom IS NULL THEN ST_Area_Spheroid(v.geom) ELSE ST_Area_Spheroid(ST_Difference(v.geom, c.geom)) END AS gap_m2, CASE WHEN c.geom IS NOT NULL THEN ST_AsText(ST_Difference(v.geom, c.geom)) END AS shape
FROM villages AS v LEFT JOIN covered AS c ON c.village = v.village WHERE v.geom IS NOT NULL
