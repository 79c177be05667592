-- title.zh: 路口前后对比
-- title.en: Junctions, before and after
SELECT q.plan, a.junction, j.name, j.name_en, j.textbook, sum(q.arrived) AS arrived, sum(q.delay_s) / nullif(sum(q.arrived), 0) AS delay, sum(q.stops) / nullif(sum(q.arrived), 0) AS stops, max(q.longest) AS longest
FROM queue_minutes AS q JOIN traffic_approaches AS a ON a.approach = q.approach JOIN traffic_junctions AS j ON j.junction = a.junction GROUP BY q.plan, a.junction, j.name, j.name_en, j.textbook
