-- Votes of two years (样例) on the leads that were met first.
SELECT printf('S%04d', row_number() OVER (ORDER BY contacted, lead)) AS number, '项目准入：' || name AS title, '3308-xzzx' AS unit, 'done' AS state, CAST(NULL AS VARCHAR) AS step, contacted + INTERVAL 40 DAY AS opened, contacted + INTERVAL 55 DAY AS closed, contacted + INTERVAL 50 DAY AS due, lead,
    CAST(NULL AS DOUBLE) AS score, CASE WHEN hash(lead, 'yes') % 4 > 0 THEN 4 ELSE 2 END AS yes, CASE WHEN hash(lead, 'yes') % 4 > 0 THEN 1 ELSE 3 END AS no, 5 AS present, CASE WHEN hash(lead, 'yes') % 4 > 0 THEN 'admitted' ELSE 'refused' END AS decision,
    CASE WHEN hash(lead, 'yes') % 4 > 0 THEN round(investment * 0.02, 1) END AS support, (contacted + INTERVAL 55 DAY)::DATE AS decided_on
FROM invest_leads WHERE contacted < DATE '2026-08-01' AND investment >= 20000 AND hash(lead, 'met') % 5 < 4
