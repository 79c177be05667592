-- title.zh: 装置排名与下一步
-- title.en: Ranks, and what to automate next
-- What it would save in a year: the operations of a year at what one costs, less the tenth that stays.
SELECT u.unit, u.firm, n.firm_en, u.section, n.section_en, coalesce(o.operations, 0) AS operations, coalesce(o.operations, 0) / s.hours AS an_hour, a.auto_share, l.in_ten_minutes,
    coalesce(o.operations, 0) / s.hours * 8760 * u.minute_worth * 0.9 / 10000 AS saves_a_year, rank() OVER (ORDER BY coalesce(o.operations, 0)) AS place
FROM dcs_units AS u JOIN unit_names AS n ON n.unit = u.unit LEFT JOIN (SELECT unit, sum(operations) AS operations FROM operations GROUP BY unit) AS o ON o.unit = u.unit
LEFT JOIN (SELECT unit, avg(auto_share) AS auto_share FROM automatic GROUP BY unit) AS a ON a.unit = u.unit
LEFT JOIN alarm_load AS l ON l.unit = u.unit, span AS s
