-- title.zh: Webster 配时
-- title.en: Webster's plan
-- refresh: table
-- key: junction, stage
-- C0 = (1.5L + 5) / (1 − Y), greens by the flow ratios (F. V. Webster, Traffic Signal Settings, Road Research Technical Paper 39, HMSO 1958).
-- With Y ≥ 1 the formula has no cycle: oversaturated, the longest one is taken. Where an approach has no counts there is no plan. 40 to 150 s and
-- 7 s of green at least are proposals.
WITH stages AS (
    SELECT d.junction, d.stage, max(d.y) AS y, count(*) - count(d.y) AS blind FROM demand AS d GROUP BY d.junction, d.stage
), sums AS (
    SELECT s.junction, s.stage, s.y, sum(s.y) OVER (PARTITION BY s.junction) AS total, sum(s.blind) OVER (PARTITION BY s.junction) AS blind, j.stages * j.lost AS lost
    FROM stages AS s JOIN traffic_junctions AS j ON j.junction = s.junction
), cycles AS (
    SELECT *, CASE WHEN blind > 0 THEN '缺检测' WHEN total <= 0 THEN '没有车' WHEN total >= 1 THEN '过饱和' WHEN (1.5 * lost + 5) / (1 - total) > 150 THEN '取最长周期' ELSE '可行' END AS verdict,
        CASE WHEN blind > 0 THEN 'blind' WHEN total <= 0 THEN 'no vehicles' WHEN total >= 1 THEN 'oversaturated' WHEN (1.5 * lost + 5) / (1 - total) > 150 THEN 'longest cycle' ELSE 'fits' END AS verdict_en,
        CASE WHEN blind > 0 OR total <= 0 OR total >= 1 THEN NULL ELSE (1.5 * lost + 5) / (1 - total) END AS optimum,
        CASE WHEN blind > 0 OR total <= 0 THEN NULL WHEN total >= 1 THEN 150.0 ELSE least(150, greatest(40, round((1.5 * lost + 5) / (1 - total)))) END AS wanted
    FROM sums
)
SELECT junction, stage, y, total, lost, verdict, verdict_en, optimum, wanted, CASE WHEN wanted IS NOT NULL THEN greatest(7, round((wanted - lost) * y / total)) END AS green FROM cycles
