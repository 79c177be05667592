-- title.zh: 固定配时
-- title.en: Fixed plans
-- Today's plan and Webster's; of each stage when its effective green begins within the cycle.
WITH told AS (
    SELECT '现用' AS plan, p.junction, p.stage, p.green FROM traffic_plans AS p
    UNION ALL SELECT 'Webster', w.junction, w.stage, w.green FROM webster AS w WHERE w.green IS NOT NULL
)
SELECT t.plan, t.junction, t.stage, t.green, j.lost, sum(t.green + j.lost) OVER (PARTITION BY t.plan, t.junction) AS cycle,
    sum(t.green + j.lost) OVER (PARTITION BY t.plan, t.junction ORDER BY t.stage ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - t.green AS begins
FROM told AS t JOIN traffic_junctions AS j ON j.junction = t.junction
