-- title.zh: 各社区指标的分子分母
-- title.en: Measures by community
-- refresh: table
-- key: measure, place
WITH newest AS (SELECT m.place, m.measure, m.top, m.bottom FROM community_measures AS m WHERE m.month = (SELECT max(month) FROM community_measures))
SELECT measure, place, top, bottom FROM newest
UNION ALL SELECT 'helpers', p.place, count(h.person)::DOUBLE, count(*)::DOUBLE FROM persons AS p
    LEFT JOIN (SELECT DISTINCT l.person FROM ledger AS l, as_of AS a WHERE l.kind = '挣' AND l.happened > a.at - INTERVAL 60 DAY AND l.happened <= a.at) AS h ON h.person = p.person WHERE p.place IS NOT NULL GROUP BY p.place
UNION ALL SELECT 'visited', place, sum(least(done, due))::DOUBLE, sum(due)::DOUBLE FROM plan WHERE place IS NOT NULL GROUP BY place
UNION ALL SELECT 'canteen', place, count(*) FILTER (WHERE minutes <= 15)::DOUBLE, count(*)::DOUBLE FROM (
    SELECT p.person, p.place, min(r.minutes) AS minutes FROM persons AS p LEFT JOIN reach AS r ON r.person = p.person AND r.kind = '助餐' WHERE p.place IS NOT NULL GROUP BY p.person, p.place) AS nearest GROUP BY place
UNION ALL SELECT 'came', s.place, count(*) FILTER (WHERE b.state = '已到')::DOUBLE, count(*)::DOUBLE FROM community_bookings AS b JOIN community_services AS s ON s.service = b.service JOIN persons AS p ON p.person = b.person, as_of AS a
    WHERE b.day <= a.day AND b.state IN ('已到', '未到') GROUP BY s.place
UNION ALL SELECT 'answered', place, count(*) FILTER (WHERE in_time)::DOUBLE, count(*)::DOUBLE FROM call_times WHERE place IS NOT NULL GROUP BY place
