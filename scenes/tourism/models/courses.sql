-- title.zh: 在园曲线
-- title.en: Who was there, by the quarter hour
-- In less out since midnight. Below nobody is no figure: it stays as it is, so that it is seen that something is wrong.
WITH quarters AS (SELECT area, day, moment, sum(came) AS came, sum(went) AS went FROM readings GROUP BY area, day, moment)
SELECT area, day, moment, came, went, sum(came - went) OVER (PARTITION BY area, day ORDER BY moment ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS present, sum(came) OVER (PARTITION BY area, day ORDER BY moment ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS came_so_far FROM quarters
