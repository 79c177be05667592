-- title.zh: 承载量
-- title.en: Capacities
-- LB/T 034-2014 景区最大承载量核定导则: at a moment C1 = Σ Xi / Yi (surface of a spot that can be visited over the space a visitor needs), in a day
-- C2 = C1 × Z with Z = whole visits that fit the hours (T / t). A spot without a standard (Yi = 0) is left out and named. What counts is the
-- smaller of what is published and what was computed; where neither is known there is none, and nothing is divided by it.
WITH computed AS (SELECT area, sum(CASE WHEN per_head > 0 THEN surface / per_head END) AS c1, count(*) FILTER (WHERE per_head <= 0) AS without FROM tourism_spots GROUP BY area),
hours AS (SELECT *, CAST(left(closes, 2) AS INTEGER) * 60 + CAST(right(closes, 2) AS INTEGER) - CAST(left(opens, 2) AS INTEGER) * 60 - CAST(right(opens, 2) AS INTEGER) AS minutes FROM tourism_areas)
SELECT h.area, h.name, h.name_en, h.county_code, h.county, h.lon, h.lat, nullif(h.capacity, 0) AS published, floor(c.c1) AS computed, coalesce(c.without, 0) AS without,
    nullif(least(nullif(h.capacity, 0), CASE WHEN c.c1 > 0 THEN floor(c.c1) END), 0) AS capacity, nullif(least(nullif(h.capacity, 0), CASE WHEN c.c1 > 0 THEN floor(c.c1) END), 0) * greatest(1, floor(h.minutes / h.visit)) AS a_day
FROM hours AS h LEFT JOIN computed AS c ON c.area = h.area
