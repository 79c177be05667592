-- title.zh: 已准入未签约
-- title.en: Admitted, not signed yet
-- What leads that were admitted within a year and are not signed will need of the park that they were allotted to (ours: after a year an admission is asked for again).
SELECT a.lead, l.name, a.park, p.name AS park_name, p.name_en AS park_name_en, l.investment, l.land, l.energy, a.decided_on, p.land_left, p.energy_left, p.overdrawn, l.land IS NULL OR l.energy IS NULL AS unknown,
    sum(l.land) OVER (PARTITION BY a.park ORDER BY a.decided_on, a.lead) AS land_so_far, sum(l.energy) OVER (PARTITION BY a.park ORDER BY a.decided_on, a.lead) AS energy_so_far
FROM invest_admissions AS a JOIN invest_leads AS l ON l.lead = a.lead JOIN parks AS p ON p.park = a.park
WHERE a.decision = 'admitted' AND a.state = 'done' AND a.decided_on > city_today() - INTERVAL 365 DAY AND NOT EXISTS (SELECT 1 FROM invest_projects AS s WHERE s.lead = a.lead)
