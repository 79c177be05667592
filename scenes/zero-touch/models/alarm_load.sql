-- title.zh: 报警负荷
-- title.en: Load of alarms
-- ISA-18.2 / EEMUA 191, for each operator: about one in ten minutes is acceptable, two the most that can be managed; ten and more in
-- ten minutes are a flood, in which less than one per cent of the time should be spent.
SELECT t.unit, u.firm, u.section, u.operators, sum(t.alarms) AS alarms, sum(t.alarms) / (s.hours * 6) / u.operators AS in_ten_minutes,
    count(*) FILTER (WHERE t.alarms / u.operators >= 10) AS floods, 100.0 * count(*) FILTER (WHERE t.alarms / u.operators >= 10) / (s.hours * 6) AS flood_share
FROM tens AS t JOIN dcs_units AS u ON u.unit = t.unit, span AS s WHERE t.ten BETWEEN s.since - INTERVAL 10 MINUTE AND s.until GROUP BY t.unit, u.firm, u.section, u.operators, s.hours
