-- title.zh: 呼叫事件
-- title.en: Calls for help
-- Signals of one device within ten minutes of the one before are one incident (a proposal). A device of nobody still calls: its case goes to the city.
-- A signal that comes late may begin an incident earlier than its case says; `called` stays what the case says, so that it is no second one.
WITH rung AS (
    SELECT device, kind, happened, lag(happened) OVER (PARTITION BY device, kind ORDER BY happened) AS before FROM community_signals WHERE kind IN ('SOS', '跌倒')
), counted AS (
    SELECT device, kind, happened, sum(CASE WHEN before IS NULL OR happened - before > INTERVAL 10 MINUTE THEN 1 ELSE 0 END) OVER (PARTITION BY device, kind ORDER BY happened ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n FROM rung
), gathered AS (SELECT device, kind, n, min(happened) AS started, max(happened) AS newest, count(*) AS signals FROM counted GROUP BY device, kind, n)
SELECT g.device, g.kind, g.started, g.newest, g.signals,
    coalesce((SELECT min(c.started) FROM community_calls AS c WHERE c.device = g.device AND c.kind = g.kind AND c.started BETWEEN g.started AND g.newest), g.started) AS called, p.person, p.alone, coalesce(s.place, left((SELECT min(place) FROM community_places), 4)) AS unit,
    coalesce(s.town, left((SELECT min(place) FROM community_places), 4)) AS centre, coalesce(s.name, '没有登记主人的设备') AS place_name, coalesce(s.name_en, 'a device of nobody') AS place_name_en
FROM gathered AS g LEFT JOIN community_devices AS d ON d.device = g.device LEFT JOIN persons AS p ON p.person = d.person LEFT JOIN community_places AS s ON s.place = p.place
