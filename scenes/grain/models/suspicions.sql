-- title.zh: “两非”疑点
-- title.en: Suspicions of other use
-- 非农化 (国办发明电〔2020〕24号): built upon or heaped up, on any field. 非粮化 (国办发〔2020〕44号; 基本农田保护条例 第十七条: no forestry, fruit or fish ponds
-- on permanent basic farmland): on permanent farmland always, elsewhere where it was a field before. One reading from space alone is no suspicion
-- yet: seen twice in a row, or on the spot. Idle for a year and more (the year is a proposal; 财农〔2016〕26号 speaks of 长年抛荒).
SELECT u.plot, p.village, v.name, v.town_code, v.town, p.permanent, CASE u.kind WHEN 'nonfarm' THEN '非农化' WHEN 'nongrain' THEN '非粮化' ELSE '撂荒' END AS what,
    u.found, u.how, u.since, u.seen, u.times, u.photo
FROM present_use AS u JOIN grain_plots AS p ON p.plot = u.plot LEFT JOIN grain_villages AS v ON v.village = p.village
WHERE (u.times >= 2 OR u.on_site) AND (u.kind = 'nonfarm' OR (u.kind = 'nongrain' AND (p.permanent OR u.was_field)) OR (u.kind = 'idle' AND u.seen - u.since >= 365))
