-- title.zh: 项目阶段
-- title.en: Stages of projects
-- Where a project stands: its last milestone that is done, and what is late of the next ones.
SELECT a.project, a.name, a.name_en, a.county, a.park, a.digital, a.signed, a.worth, a.standing, CASE WHEN a.standing = 'left' THEN 7 ELSE coalesce(s.seq, 0) END AS stage_no,
    CASE WHEN a.standing = 'left' THEN '已退出' ELSE CASE coalesce(s.seq, 0) WHEN 0 THEN '未签约' WHEN 1 THEN '已签约' WHEN 2 THEN '已落地' WHEN 3 THEN '已开工' WHEN 4 THEN '已竣工' WHEN 5 THEN '已投产' ELSE '已达产' END END AS stage,
    CASE WHEN a.standing = 'left' THEN 'left' ELSE CASE coalesce(s.seq, 0) WHEN 0 THEN 'not signed' WHEN 1 THEN 'signed' WHEN 2 THEN 'established' WHEN 3 THEN 'begun' WHEN 4 THEN 'built' WHEN 5 THEN 'producing' ELSE 'at full output' END END AS stage_en, coalesce(l.red, 0) AS red, coalesce(l.days_late, 0) AS days_late, l.next_due
FROM amounts AS a LEFT JOIN (SELECT project, max(seq) AS seq FROM invest_milestones WHERE done IS NOT NULL GROUP BY project) AS s ON s.project = a.project
LEFT JOIN (SELECT project, count(*) FILTER (WHERE lamp = 'red') AS red, max(days_late) FILTER (WHERE lamp = 'red') AS days_late, min(due) FILTER (WHERE done IS NULL) AS next_due FROM steps GROUP BY project) AS l ON l.project = a.project
WHERE a.standing <> 'double'
