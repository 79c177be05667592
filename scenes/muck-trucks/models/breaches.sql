-- title.zh: 成立的违规
-- title.en: Spells that count
-- Speeding counts from ten seconds on and from two positions (a proposal); the other kinds from two positions, for one alone may be a slip
-- of the receiver; lifting and a call for help count at once. What was found false or not decided a breach is no breach.
SELECT s.since, s.truck, s.kind, s.until, epoch(s.until - s.since) / 60 AS minutes, s.worst, s.allowed, s.place, s.lon, s.lat, s.points, s.open
FROM truck_spells AS s
WHERE CASE s.kind WHEN '超速' THEN s.points >= 2 AND epoch(s.until - s.since) >= 10 WHEN '定位漂移' THEN false WHEN '时钟超前' THEN false WHEN '乱倒' THEN true WHEN '终端报警' THEN true ELSE s.points >= 2 END
