-- title.zh: 离线车辆
-- title.en: Trucks that fell silent
-- Half an hour without a word while the others speak, and it was moving or loaded when it spoke last (a proposal). Where all are silent the line is broken, not the trucks.
SELECT t.truck, t.enterprise, n.moment AS last, epoch(w.moment - n.moment) / 60 AS minutes, n.lon, n.lat, n.area FROM truck_now AS n JOIN trucks AS t ON t.truck = n.truck, newest AS w
WHERE w.moment - n.moment > INTERVAL 30 MINUTE AND (n.speed >= 5 OR n.load IN ('half', 'full'))
