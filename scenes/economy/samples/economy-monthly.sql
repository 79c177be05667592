-- What is published of the reports: three enterprises at least, none of them with four fifths of any figure (losses count by their size).
-- One member alone is never hidden: it would be the whole less the others, so the smallest of the others goes with it.
WITH told AS (
    SELECT r.month, e.county, e.class, e.tier, r.revenue, r.value_added, r.profit, r.rnd FROM economy_reports AS r JOIN economy_enterprises AS e ON e.enterprise = r.enterprise
), cut AS (
    SELECT month, 'all' AS dimension, '全市' AS member, revenue, value_added, profit, rnd FROM told
    UNION ALL SELECT month, 'county', county, revenue, value_added, profit, rnd FROM told
    UNION ALL SELECT month, 'class', class, revenue, value_added, profit, rnd FROM told
    UNION ALL SELECT month, 'tier', tier, revenue, value_added, profit, rnd FROM told
), summed AS (
    SELECT month, dimension, member, count(*) AS enterprises,
        count(*) < 3 OR max(revenue) >= 0.8 * sum(revenue) OR max(value_added) >= 0.8 * sum(value_added) OR max(abs(profit)) >= 0.8 * sum(abs(profit)) OR max(rnd) >= 0.8 * sum(rnd) AS alone,
        sum(revenue) AS revenue, sum(value_added) AS value_added, sum(profit) AS profit, sum(rnd) AS rnd
    FROM cut GROUP BY month, dimension, member
), placed AS (
    SELECT *, count(*) FILTER (WHERE alone) OVER (PARTITION BY month, dimension) AS others, row_number() OVER (PARTITION BY month, dimension ORDER BY alone, revenue, member) AS place FROM summed
), judged AS (
    SELECT *, alone OR others = 1 AND dimension <> 'all' AND place = 1 AS hidden FROM placed
)
SELECT month, dimension, member, enterprises, hidden, CASE WHEN NOT hidden THEN round(revenue, 1) END AS revenue, CASE WHEN NOT hidden THEN round(value_added, 1) END AS value_added,
    CASE WHEN NOT hidden THEN round(profit, 1) END AS profit, CASE WHEN NOT hidden THEN round(rnd, 1) END AS rnd
FROM judged
