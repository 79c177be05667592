-- Bookings of ten days (样例), mostly in one's own community.
WITH booked AS (
    SELECT m.person, h.place, d, (hash(m.person, d, 'b') % 1000)::INTEGER AS u FROM community_members AS m JOIN community_households AS h USING (household), range(10) AS days(d)
    WHERE hash(m.person, d, 'books') % 130 = 0
    QUALIFY row_number() OVER (PARTITION BY m.person, d ORDER BY m.since DESC) = 1
), kinds AS (SELECT service, place, kind, row_number() OVER (PARTITION BY place ORDER BY service) - 1 AS k FROM community_services)
SELECT 'B' || d || '-' || b.person AS booking, b.person, k.service, DATE '2026-11-14' + d::INTEGER AS day,
    CASE WHEN d = 9 THEN '已约' WHEN u % 100 < 82 THEN '已到' WHEN u % 100 < 91 THEN '未到' ELSE '取消' END AS state
FROM booked AS b JOIN kinds AS k ON k.place = b.place AND k.k = u % 5
