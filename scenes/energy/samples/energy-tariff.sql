-- The hours of Zhejiang's tariff for large industry (浙发改价格〔2021〕341号); prices are samples (样例).
SELECT h AS hour, CASE WHEN h IN (9, 10, 15, 16) THEN '尖峰' WHEN h = 8 OR h IN (13, 14) OR h BETWEEN 17 AND 21 THEN '高峰' ELSE '低谷' END AS period,
    CASE WHEN h IN (9, 10, 15, 16) THEN 1.18 WHEN h = 8 OR h IN (13, 14) OR h BETWEEN 17 AND 21 THEN 0.94 ELSE 0.40 END AS price
FROM range(24) AS hours(h)
