-- title.zh: 村与面积换算
-- title.en: Villages, and what a square degree is there
-- Square metres of a square degree at the village's latitude (series of the ellipsoid GRS80/WGS 84): right to some 0.01 % for a field.
WITH drawn AS (
    SELECT village, name, town_code, town, CASE WHEN regexp_extract(outline, '\(\( *([^,]+?) *,', 1) = regexp_extract(outline, ', *([^,]+?) *\)\)', 1) THEN ST_GeomFromText(outline) END AS geom FROM grain_villages
), placed AS (SELECT *, radians(ST_Y(ST_Centroid(geom))) AS lat FROM drawn)
SELECT village, name, town_code, town, CASE WHEN ST_IsValid(geom) THEN geom END AS geom,
    (111132.92 - 559.82 * cos(2 * lat) + 1.175 * cos(4 * lat)) * (111412.84 * cos(lat) - 93.5 * cos(3 * lat) + 0.118 * cos(5 * lat)) AS m2
FROM placed
