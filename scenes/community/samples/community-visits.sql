-- From October to the 22nd of November 2026 (样例): most visits of the plan, some doors closed, some workers behind, about 7,000 acts of help
-- (帮扶 7,000 余次 in the article); two dates that cannot be.
WITH months AS (SELECT * FROM (VALUES (DATE '2026-10-01', 31), (DATE '2026-11-01', 30)) AS m(month, days)),
wanted AS (SELECT *, CASE WHEN score >= 66 THEN 1 WHEN score >= 46 THEN 2 WHEN score >= 30 THEN 4 ELSE 8 END AS n FROM community_care),
drawn AS (
    SELECT w.person, w.worker, w.since, w.until, m.month, k, m.month + least((k * m.days / w.n + hash(w.person, m.month, k, 'd') % greatest(m.days // w.n, 1))::INTEGER, m.days - 1) AS day,
        (hash(w.person, m.month, k, 'o') % 1000)::INTEGER AS u, (hash(w.worker, 'late') % 9 = 0)::INTEGER AS behind
    FROM wanted AS w, months AS m, range(8) AS ks(k) WHERE k < w.n
)
SELECT 'V' || strftime(month, '%m') || '-' || person || '-' || k AS visit, person, worker, day,
    CASE WHEN u < 925 - behind * 120 THEN '已访' WHEN u < 945 THEN '外出' WHEN u < 957 THEN '无人应门' WHEN u < 968 THEN '住院' ELSE '拒访' END AS outcome,
    CASE WHEN u < 452 THEN ['代购代办', '送药', '陪诊', '保洁', '修理', '谈心'][1 + u % 6] END AS help
FROM drawn WHERE day >= since AND (until IS NULL OR day <= until) AND day <= DATE '2026-11-22' AND u < 978 - behind * 150
UNION ALL SELECT 'V00-early', person, worker, since - 40, '已访', NULL FROM (SELECT * FROM community_care ORDER BY person LIMIT 1) AS one
UNION ALL SELECT 'V00-future', person, worker, DATE '2027-11-02', '已访', NULL FROM (SELECT * FROM community_care ORDER BY person LIMIT 1 OFFSET 1) AS two
