-- Points for mutual help since September (样例): mostly earned before spent; a few tried to spend more than they had.
WITH helpers AS (SELECT person, (hash(person, 'helps') % 1000)::INTEGER AS u FROM community_elders WHERE hash(person, 'helper') % 24 = 0),
acts AS (SELECT person, n, (hash(person, n, 'p') % 1000)::INTEGER AS v FROM helpers, range(7) AS ns(n) WHERE n < 2 + u % 6)
SELECT 'E' || person || '-' || n AS entry, person, TIMESTAMP '2026-09-05 09:00:00' + INTERVAL 1 HOUR * (n * 260 + v % 180)::INTEGER AS happened,
    CASE WHEN n % 3 = 2 THEN '花' ELSE '挣' END AS kind, CASE WHEN n % 3 = 2 THEN CASE WHEN v % 90 = 0 THEN 500 ELSE 5 + v % 16 END ELSE 10 + v % 30 END AS points,
    CASE WHEN n % 3 = 2 THEN ['助餐抵扣', '理发', '课堂'][1 + v % 3] ELSE ['结对探望', '楼道清洁', '代买', '课堂讲授'][1 + v % 4] END AS what
FROM acts
