-- title.zh: 疑似事件
-- title.en: Incidents as they seem
-- Of the last half hour, with when it began; while its case is open that stays what the case says, whatever counts come late.
WITH newest AS (SELECT p.approach, max(p.begins) AS newest, min(p.speed_up) AS speed, max(p.occ_up) AS occupancy, max(p.usual_speed) AS usual_speed FROM pairs AS p, as_of AS a WHERE p.twice AND p.begins > a.at - INTERVAL 30 MINUTE GROUP BY p.approach),
quiet AS (SELECT n.approach, max(p.begins) AS last_quiet FROM newest AS n JOIN pairs AS p ON p.approach = n.approach AND p.begins < n.newest AND NOT p.sign GROUP BY n.approach)
SELECT n.approach, a.junction, j.name || a.side || '进口' AS place, coalesce(j.name_en, j.name) || ', ' || CASE a.side WHEN '东' THEN 'east' WHEN '南' THEN 'south' WHEN '西' THEN 'west' ELSE 'north' END AS place_en,
    coalesce((SELECT min(i.seen) FROM traffic_incidents AS i WHERE i.approach = n.approach AND i.state = 'open'), strftime(min(p.begins), '%Y-%m-%d %H:%M')) AS since, n.newest, n.speed, n.usual_speed, n.occupancy
FROM newest AS n JOIN traffic_approaches AS a ON a.approach = n.approach JOIN traffic_junctions AS j ON j.junction = a.junction LEFT JOIN quiet AS q ON q.approach = n.approach
JOIN pairs AS p ON p.approach = n.approach AND p.sign AND (q.last_quiet IS NULL OR p.begins > q.last_quiet) GROUP BY n.approach, a.junction, j.name, j.name_en, a.side, n.newest, n.speed, n.usual_speed, n.occupancy
