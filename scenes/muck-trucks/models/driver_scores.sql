-- title.zh: 驾驶员得分
-- title.en: Scores of drivers
-- By number: names are for those who have a grant. A driver of two trucks bears the incidents of both.
SELECT r.driver, r.enterprise, greatest(0, 100 - coalesce(sum(s.taken), 0)) AS score, coalesce(sum(s.incidents), 0) AS incidents FROM truck_drivers AS r LEFT JOIN truck_scores AS s ON s.driver = r.driver GROUP BY r.driver, r.enterprise
