-- title.zh: 预测误差
-- title.en: Errors of the forecast
SELECT meter, 100 * sum(abs(kwh - forecast)) / sum(kwh) AS error, 100 * sum(abs(kwh - naive)) / sum(kwh) AS naive_error, count(*) AS quarters FROM ahead GROUP BY meter
