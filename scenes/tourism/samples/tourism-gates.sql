-- Gates (样例): two an area, 28 September to 3 October 2026, 14:30. Those of a day add up to its visitors. Faults on purpose on the last day: a counter of 药王山
-- begins anew at 11:15, the way out of 民居苑 counts people who never came in, a gate of 龙游石窟 is silent since 13:00.
WITH days AS (
    SELECT d.area, d.day, d.visitors FROM tourism_days AS d WHERE d.day >= DATE '2026-09-28'
    UNION ALL SELECT area, DATE '2026-10-03', (visitors * CASE area WHEN 'JLS' THEN 2.36 WHEN 'GGF' THEN 1.82 WHEN 'TJL' THEN 1.68 WHEN 'STM' THEN 1.75 ELSE 0.95 END)::INTEGER FROM tourism_days WHERE day = DATE '2026-10-02'
), timed AS (
    SELECT d.area, d.day, d.visitors, g.gate, g.share, q, d.day + INTERVAL 1 MINUTE * (q * 15)::INTEGER AS moment, left(a.opens, 2)::INTEGER * 60 + right(a.opens, 2)::INTEGER AS opens, left(a.closes, 2)::INTEGER * 60 + right(a.closes, 2)::INTEGER AS closes, a.visit::INTEGER AS visit
    FROM days AS d JOIN tourism_areas AS a ON a.area = d.area CROSS JOIN (VALUES ('1', 0.62), ('2', 0.38)) AS g(gate, share) CROSS JOIN range(28, 88) AS r(q)
), courses AS (
    SELECT *, greatest(0, least(1, (q * 15 - opens) / (closes - 120.0 - opens))) AS x, greatest(0, least(1, (q * 15 - visit - opens) / (closes - 120.0 - opens))) AS y FROM timed WHERE moment <= TIMESTAMP '2026-10-03 14:30:00'
), counted AS (
    SELECT area, day, gate, moment, q, round(visitors * share * (3 * x * x - 2 * x * x * x))::INTEGER AS entered, round(visitors * (1 - share) * (3 * y * y - 2 * y * y * y))::INTEGER AS gone, visitors, share, opens, closes FROM courses
)
SELECT area || '-' || gate AS gate, area, moment,
    CASE WHEN area = 'YWS' AND gate = '1' AND moment >= TIMESTAMP '2026-10-03 11:15:00' THEN entered - max(CASE WHEN moment < TIMESTAMP '2026-10-03 11:15:00' THEN entered END) OVER (PARTITION BY area, gate, day) ELSE entered END AS entered,
    CASE WHEN area = 'MJY' AND day = DATE '2026-10-03' THEN (gone * 1.0 + entered * 1.05)::INTEGER ELSE gone END AS gone
FROM counted WHERE NOT (area = 'LYS' AND gate = '2' AND moment > TIMESTAMP '2026-10-03 13:00:00')
