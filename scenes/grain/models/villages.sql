-- title.zh: 村的农田范围
-- title.en: Villages as drawn
-- Areas are those on the ellipsoid (ST_Area_Spheroid); a ring that is not closed or crosses itself is no outline.
WITH drawn AS (
    SELECT village, name, town_code, town, CASE WHEN regexp_extract(outline, '\(\( *([^,]+?) *,', 1) = regexp_extract(outline, ', *([^,]+?) *\)\)', 1) THEN ST_GeomFromText(outline) END AS geom FROM grain_villages
)
SELECT village, name, town_code, town, CASE WHEN ST_IsValid(geom) THEN geom END AS geom FROM drawn
