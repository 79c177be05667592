-- title.zh: 24 小时没有开门
-- title.en: No door opened for 24 hours
-- Of persons in care who live alone, until the newest signal of all. The 24 hours are a proposal.
WITH opened AS (SELECT s.device, max(s.happened) AS opened FROM community_signals AS s, as_of AS a WHERE s.kind = '开门' AND s.happened <= a.at GROUP BY s.device),
weak AS (SELECT DISTINCT device FROM community_signals WHERE kind = '电量低')
SELECT d.device, d.person, coalesce(o.opened, d.since + INTERVAL 0 DAY) AS opened, epoch(a.at - coalesce(o.opened, d.since + INTERVAL 0 DAY)) / 3600 AS hours, w.device IS NOT NULL AS weak, s.place AS unit, s.town AS centre, s.name AS place_name, s.name_en AS place_name_en
FROM community_devices AS d JOIN care AS c ON c.person = d.person AND c.alone AND c.now_in_care JOIN community_places AS s ON s.place = c.place
LEFT JOIN opened AS o ON o.device = d.device LEFT JOIN weak AS w ON w.device = d.device, as_of AS a
WHERE d.kind = '门磁' AND a.at - coalesce(o.opened, d.since + INTERVAL 0 DAY) >= INTERVAL 24 HOUR
