-- title.zh: 预测误差
-- title.en: Errors of the forecast
-- Per cent of what was used; a meter that used nothing has no error in per cent.
SELECT meter, 100 * sum(abs(kwh - forecast)) / nullif(sum(kwh), 0) AS error, 100 * sum(abs(kwh - naive)) / nullif(sum(kwh), 0) AS naive_error, count(*) AS readings FROM ahead GROUP BY meter
