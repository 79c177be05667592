-- title.zh: 近一天的事件
-- title.en: Incidents of the last day
-- Before the newest spell of anyone: what every position moves (truck_now) is not read, so that an alarm is there at once.
SELECT i.truck, i.kind, i.since, i.until, i.spells, i.minutes, i.worst, i.allowed, i.place, i.lon, i.lat, i.open, t.enterprise, t.driver, e.name AS firm, e.county, e.unit AS supervisor
FROM incidents AS i JOIN trucks AS t ON t.truck = i.truck JOIN truck_enterprises AS e ON e.enterprise = t.enterprise
WHERE i.until > (SELECT max(s.until) FROM truck_spells AS s WHERE s.kind NOT IN ('定位漂移', '时钟超前')) - INTERVAL 1 DAY
