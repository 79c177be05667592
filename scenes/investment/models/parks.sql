-- title.zh: 园区用地用能余额
-- title.en: Land and energy left in the parks
-- Quota less what projects use that are counted or still being checked; a park may be overdrawn, and then what is left is below zero and says so.
SELECT p.park, p.name, coalesce(p.name_en, p.name) AS name_en, p.county, p.lon, p.lat, p.land_quota, p.energy_quota, coalesce(u.projects, 0) AS projects, coalesce(u.land, 0) AS land_used, coalesce(u.energy, 0) AS energy_used, p.land_quota - coalesce(u.land, 0) AS land_left, p.energy_quota - coalesce(u.energy, 0) AS energy_left,
    coalesce(u.land, 0) > p.land_quota OR coalesce(u.energy, 0) > p.energy_quota AS overdrawn, coalesce(u.unknown, 0) AS unknown
FROM invest_parks AS p LEFT JOIN (
    SELECT park, count(*) AS projects, sum(land) AS land, sum(energy) AS energy, count(*) FILTER (WHERE land IS NULL OR energy IS NULL) AS unknown FROM amounts WHERE standing IN ('counted', 'unchecked') GROUP BY park
) AS u ON u.park = p.park
