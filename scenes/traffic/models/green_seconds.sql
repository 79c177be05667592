-- title.zh: 绿灯的每一秒
-- title.en: Seconds of green
SELECT p.plan, p.junction, p.stage, t.t FROM plan_splits AS p JOIN range(1, 3601) AS t(t) ON (t.t - 1) % p.cycle >= p.begins AND (t.t - 1) % p.cycle < p.begins + p.green
UNION ALL SELECT '自适应', a.junction, a.stage, t.t FROM adaptive AS a JOIN range(1, 3601) AS t(t) ON t.t > a.begins AND t.t <= a.begins + a.green
