-- title.zh: 假期预测的误差
-- title.en: Errors of the holiday forecast
-- Mean absolute error in per cent of what came, beside the naive one; and the spread of its logarithm, from which the interval comes.
SELECT a.area, count(*) AS days, count(DISTINCT a.begins) AS holidays, 100.0 * sum(abs(d.visitors - a.forecast)) / sum(d.visitors) AS error, 100.0 * sum(abs(d.visitors - a.naive)) / sum(d.visitors) AS naive_error,
    sqrt(avg(power(ln(d.visitors / a.forecast), 2))) AS spread
FROM ahead AS a JOIN holiday_days AS d ON d.area = a.area AND d.day = a.day AND d.year = a.year AND d.holiday = a.holiday WHERE d.visitors > 0 AND a.forecast > 0 AND a.naive_year = a.year - 1 GROUP BY a.area
