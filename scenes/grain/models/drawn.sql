-- title.zh: 地块轮廓
-- title.en: Plots as drawn
-- A ring that is not closed, crosses itself or lies abroad (latitude and longitude changed round) has no area that counts: it is named in `flaws` instead.
WITH read AS (
    SELECT p.plot, p.village, p.right_mu, p.permanent, v.name, v.town_code, v.town, v.geom AS field,
        CASE WHEN regexp_extract(p.outline, '\(\( *([^,]+?) *,', 1) = regexp_extract(p.outline, ', *([^,]+?) *\)\)', 1) THEN ST_GeomFromText(p.outline) END AS ring
    FROM grain_plots AS p LEFT JOIN villages AS v ON v.village = p.village
), valid AS (SELECT *, CASE WHEN ring IS NULL THEN 'open' WHEN NOT ST_IsValid(ring) THEN 'crossing' WHEN NOT ST_Within(ring, ST_MakeEnvelope(73, 3, 136, 54)) THEN 'abroad' WHEN field IS NULL THEN 'nowhere' ELSE 'good' END AS ring_is FROM read)
SELECT plot, village, right_mu, permanent, name, town_code, town, field, ring_is, CASE WHEN ring_is = 'good' THEN ring END AS geom, CASE WHEN ring_is = 'good' THEN ST_Area_Spheroid(ring) / 666.6667 END AS mu
FROM valid
