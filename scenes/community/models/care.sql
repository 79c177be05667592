-- title.zh: 在册关爱对象
-- title.en: Persons in care
-- Levels by the score of GB/T 42195-2022 老年人能力评估规范: 90 whole, 66–89 slight, 46–65 medium, 30–45 severe, 0–29 total loss (from memory; compare).
-- Visits a month by level are a proposal: 1, 1, 2, 4, 8.
WITH rated AS (
    SELECT c.*, CASE WHEN c.score >= 90 THEN 0 WHEN c.score >= 66 THEN 1 WHEN c.score >= 46 THEN 2 WHEN c.score >= 30 THEN 3 ELSE 4 END AS level FROM community_care AS c
)
SELECT r.person, r.level, CASE r.level WHEN 0 THEN '0 正常' WHEN 1 THEN '1 轻度' WHEN 2 THEN '2 中度' WHEN 3 THEN '3 重度' ELSE '4 完全失能' END AS level_name,
    CASE r.level WHEN 0 THEN '0 whole' WHEN 1 THEN '1 slight' WHEN 2 THEN '2 medium' WHEN 3 THEN '3 severe' ELSE '4 total' END AS level_name_en,
    CASE r.level WHEN 4 THEN 8 WHEN 3 THEN 4 WHEN 2 THEN 2 ELSE 1 END AS visits_a_month, r.since, r.until, r.assessed, r.worker, p.place, p.age, p.alone,
    r.since <= a.day AND (r.until IS NULL OR r.until >= a.day) AS now_in_care
FROM rated AS r LEFT JOIN persons AS p ON p.person = r.person, as_of AS a
