-- title.zh: 扣分明细
-- title.en: Deductions
-- What each incident of the last thirty days takes from a hundred points; the weights are a proposal. An incident that was found false, or in
-- which the police saw no breach, takes nothing; one that is excused or was a slight one, half; one that nobody has looked into yet, all.
WITH weighed AS (
    SELECT i.*, t.enterprise, t.driver, w.weight,
        CASE WHEN i.kind = '超速' AND i.worst >= 1.5 * i.allowed THEN 2.0 WHEN i.kind = '超速' AND i.worst >= 1.2 * i.allowed THEN 1.5 ELSE 1.0 END AS grave
    FROM incidents AS i JOIN trucks AS t ON t.truck = i.truck, newest AS n,
        (VALUES ('超速', 3.0), ('疲劳', 6.0), ('日超时', 4.0), ('禁行时段', 3.0), ('偏离线路', 2.0), ('禁区', 4.0), ('乱倒', 12.0), ('未密闭', 2.0)) AS w(kind, weight)
    WHERE w.kind = i.kind AND i.since > n.moment - INTERVAL 30 DAY
)
SELECT w.truck, w.enterprise, w.driver, w.kind, w.since, w.until, w.worst, w.allowed, w.weight, w.grave,
    CASE WHEN c.finding = 'false' OR c.decision = 'none' THEN 0.0 WHEN c.finding = 'excused' OR c.decision = 'warned' THEN 0.5 ELSE 1.0 END AS found,
    w.weight * w.grave * CASE WHEN c.finding = 'false' OR c.decision = 'none' THEN 0.0 WHEN c.finding = 'excused' OR c.decision = 'warned' THEN 0.5 ELSE 1.0 END AS points, c.number
FROM weighed AS w LEFT JOIN truck_incidents AS c ON c.truck = w.truck AND c.kind = w.kind AND c.since = w.since
