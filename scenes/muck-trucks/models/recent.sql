-- title.zh: 近一天的事件
-- title.en: Incidents of the last day
SELECT i.truck, i.kind, i.since, i.until, i.spells, i.minutes, i.worst, i.allowed, i.place, i.lon, i.lat, i.open, t.enterprise, t.driver, e.name AS firm, e.county, e.unit AS supervisor
FROM incidents AS i JOIN trucks AS t ON t.truck = i.truck JOIN truck_enterprises AS e ON e.enterprise = t.enterprise, newest AS n WHERE i.until > n.moment - INTERVAL 1 DAY
