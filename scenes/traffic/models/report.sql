-- title.zh: 前后对比报告
-- title.en: The report, before and after
-- Paired by junction: the mean difference of the delay of a vehicle with its 95 % interval by Student's t, n − 1 degrees of freedom
-- (t by Cornish and Fisher's expansion, right to 0.01 from five pairs on; of fewer no interval is given).
WITH pairs_ AS (
    SELECT a.plan AS base, b.plan, a.delay AS before, b.delay AS after, b.delay - a.delay AS change, b.stops - a.stops AS stops_change
    FROM compared AS a JOIN compared AS b ON b.junction = a.junction AND (a.plan = '现用' AND b.plan <> '现用' OR a.plan = 'Webster' AND b.plan = '自适应') WHERE NOT a.textbook
), summed AS (
    SELECT base, plan, count(*) AS junctions, avg(before) AS before, avg(after) AS after, avg(change) AS change, stddev_samp(change) AS spread, avg(stops_change) AS stops_change, count(*) FILTER (WHERE change < 0) AS better FROM pairs_ GROUP BY base, plan
)
SELECT base, plan, junctions, better, before, after, change, 100 * change / before AS percent, 100 * stops_change AS stops_change,
    CASE WHEN junctions >= 5 THEN change - (1.95996 + 2.37227 / (junctions - 1) + 2.8225 / pow(junctions - 1, 2)) * spread / sqrt(junctions) END AS low,
    CASE WHEN junctions >= 5 THEN change + (1.95996 + 2.37227 / (junctions - 1) + 2.8225 / pow(junctions - 1, 2)) * spread / sqrt(junctions) END AS high
FROM summed
