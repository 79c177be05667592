-- title.zh: 人
-- title.en: Persons
-- refresh: table
-- key: person
-- One row a person, whatever the households say: who stands in two is counted in the one that was registered last.
WITH homes AS (
    SELECT m.person, h.household, h.place, h.node, h.lon, h.lat, h.size, count(*) OVER (PARTITION BY m.person) AS households,
        row_number() OVER (PARTITION BY m.person ORDER BY m.since DESC, m.household DESC) AS latest
    FROM community_members AS m JOIN community_households AS h ON h.household = m.household
)
SELECT e.person, year(a.day) - year(e.born) - CASE WHEN strftime(a.day, '%m%d') < strftime(e.born, '%m%d') THEN 1 ELSE 0 END AS age,
    h.household, h.place, h.node, h.lon, h.lat, h.size = 1 AS alone, coalesce(h.households, 0) AS households
FROM community_elders AS e LEFT JOIN homes AS h ON h.person = e.person AND h.latest = 1, as_of AS a
