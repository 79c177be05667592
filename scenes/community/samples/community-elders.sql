-- 31,000 elders (样例): 邻礼通 serves more than 31,000. From sixty to past a hundred, fewer with age.
SELECT 'P' || lpad(i::VARCHAR, 5, '0') AS person, DATE '1966-11-01' - (pow((hash(i, 'age') % 1000) / 1000.0, 1.7) * 14800 + hash(i, 'day') % 360)::INTEGER AS born
FROM range(31000) AS rows(i)
