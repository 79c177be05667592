-- title.zh: 重叠的地块
-- title.en: Plots that overlap
-- refresh: table
-- key: a, b
-- Each pair whose common part is more than 20 m² or a hundredth of the smaller plot (tolerances are proposals: the corners of neighbours are
-- surveyed to some decimetres, and along a side of 60 m that makes some square metres). Plots of neighbouring villages are compared too.
SELECT a.plot AS a, b.plot AS b, a.town_code, a.town, a.name AS village, ST_Area_Spheroid(ST_Intersection(a.geom, b.geom)) AS overlap_m2, 100 * ST_Area(ST_Intersection(a.geom, b.geom)) / least(ST_Area(a.geom), ST_Area(b.geom)) AS share
FROM drawn AS a JOIN drawn AS b ON ST_Intersects(a.geom, b.geom)
WHERE a.plot < b.plot AND (ST_Area_Spheroid(ST_Intersection(a.geom, b.geom)) > 20 OR ST_Area(ST_Intersection(a.geom, b.geom)) > 0.01 * least(ST_Area(a.geom), ST_Area(b.geom)))
