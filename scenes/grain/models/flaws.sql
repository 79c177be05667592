-- title.zh: 有问题的地块
-- title.en: Plots that are drawn wrongly
-- refresh: table
-- key: plot, flaw
-- Outside: more than 20 m² beyond the village's farmland. Area: the right says over 5 % other than the outline (tolerances are proposals).
SELECT plot, village, name, town_code, town, ring_is AS flaw, CAST(NULL AS DOUBLE) AS much FROM drawn WHERE ring_is <> 'good'
UNION ALL SELECT plot, village, name, town_code, town, 'outside', ST_Area_Spheroid(ST_Difference(geom, field)) FROM drawn WHERE geom IS NOT NULL AND field IS NOT NULL AND ST_Area_Spheroid(ST_Difference(geom, field)) > 20
UNION ALL SELECT plot, village, name, town_code, town, 'area', 100 * (right_mu / mu - 1) FROM drawn WHERE mu > 0 AND abs(right_mu / mu - 1) > 0.05
UNION ALL SELECT d.plot, d.village, d.name, d.town_code, d.town, 'overlap', max(o.overlap_m2) FROM drawn AS d JOIN overlapping AS o ON d.plot = o.a OR d.plot = o.b GROUP BY ALL
