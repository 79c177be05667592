-- Six milestones a project (样例): most a little late, some stuck, the newest not yet due.
WITH steps(seq, milestone, days) AS (VALUES (1, '签约', 0), (2, '落地', 60), (3, '开工', 210), (4, '竣工', 640), (5, '投产', 730), (6, '达产', 1100)),
due AS (
    SELECT p.project, s.seq, s.milestone, p.signed + s.days AS due, p.left_on, (hash(p.project, 'stuck') % 9)::INTEGER AS stuck, CASE WHEN s.seq = 1 THEN 0 ELSE (hash(p.project, 'pace') % 70)::INTEGER * s.seq // 6 + (hash(p.project, s.seq, 'd') % 26)::INTEGER - 14 END AS late FROM invest_projects AS p, steps AS s
), told AS (
    SELECT *, due + CASE WHEN seq = 1 THEN 0 ELSE greatest(late, -10) END AS done FROM due
)
SELECT project, seq, milestone, due, CASE WHEN done <= DATE '2026-11-20' AND (left_on IS NULL OR done < left_on) AND NOT (stuck IN (3, 4) AND seq > stuck) THEN done END AS done FROM told
