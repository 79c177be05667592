-- title.zh: 企业得分
-- title.en: Scores of enterprises
-- The mean of its trucks: an enterprise with many trucks is not worse for having many.
SELECT e.enterprise, e.name, e.county, count(*) AS trucks, avg(s.score) AS score, sum(s.incidents) AS incidents, sum(s.taken) AS taken, rank() OVER (ORDER BY avg(s.score) DESC) AS place
FROM truck_enterprises AS e JOIN truck_scores AS s ON s.enterprise = e.enterprise GROUP BY e.enterprise, e.name, e.county
