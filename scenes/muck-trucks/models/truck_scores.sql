-- title.zh: 车辆得分
-- title.en: Scores of trucks
SELECT t.truck, t.enterprise, t.driver, greatest(0, 100 - coalesce(d.points, 0)) AS score, coalesce(d.incidents, 0) AS incidents, coalesce(d.points, 0) AS taken
FROM trucks AS t LEFT JOIN (SELECT truck, sum(points) AS points, count(*) AS incidents FROM deductions GROUP BY truck) AS d ON d.truck = t.truck
