-- Seven days (样例). Loops in manual are operated often; some tags chatter, some alarms stand for days, one unit has a flood.
WITH times AS (SELECT TIMESTAMP '2026-11-16 00:00:00' AS t0),
ops AS (
    SELECT l.unit, l.loop, n, t0 + INTERVAL 1 SECOND * ((hash(l.loop, n, 'op') % 604800)::INTEGER) AS happened, '操作' AS kind, l.loop AS tag, NULL::VARCHAR AS priority
    FROM dcs_loops AS l, times, range(60) AS rows(n) WHERE n < CASE WHEN l.starts_auto THEN 3 + (hash(l.loop) % 6)::INTEGER ELSE 40 + (hash(l.loop) % 20)::INTEGER END
), modes AS (
    SELECT l.unit, l.loop, n, t0 + INTERVAL 1 SECOND * ((n * 86400 * 2 + hash(l.loop, n, 'mode') % 80000)::INTEGER) AS happened, CASE WHEN (n % 2 = 0) = l.starts_auto THEN '切手动' ELSE '切自动' END AS kind, l.loop AS tag, NULL::VARCHAR AS priority
    FROM dcs_loops AS l, times, range(3) AS rows(n) WHERE (hash(l.loop, 'm') % 10)::INTEGER < 6
), alarms AS (
    SELECT u.unit, NULL::VARCHAR AS loop, n, t0 + INTERVAL 1 SECOND * ((hash(u.unit, n, 'al') % 604800)::INTEGER) AS happened, u.unit || '-T' || (n % 14) AS tag, CASE WHEN n % 25 = 0 THEN '高' WHEN n % 6 = 0 THEN '中' ELSE '低' END AS priority
    FROM dcs_units AS u, times, range(260) AS rows(n) WHERE n < 60 + (hash(u.unit, 'n') % 200)::INTEGER
), chatter AS (
    SELECT u.unit, NULL::VARCHAR AS loop, 1000 + n AS n, t0 + INTERVAL 1 HOUR * ((hash(u.unit, n // 8) % 160)::INTEGER) + INTERVAL 1 SECOND * (n % 8 * 9) AS happened, u.unit || '-T99' AS tag, '低' AS priority
    FROM dcs_units AS u, times, range(48) AS rows(n) WHERE (hash(u.unit, 'c') % 8)::INTEGER = 0
), flood AS (
    SELECT 'U07' AS unit, NULL::VARCHAR AS loop, 2000 + n AS n, t0 + INTERVAL 50 HOUR + INTERVAL 1 SECOND * (n * 9) AS happened, 'U07-T' || (n % 20) AS tag, CASE WHEN n % 4 = 0 THEN '高' ELSE '中' END AS priority FROM times, range(120) AS rows(n)
), raised AS (SELECT * FROM alarms UNION ALL SELECT * FROM chatter UNION ALL SELECT * FROM flood)
SELECT 'O-' || loop || '-' || n AS event, happened, unit, loop, kind, tag, priority FROM ops
UNION ALL SELECT 'M-' || loop || '-' || n, happened, unit, loop, kind, tag, priority FROM modes
UNION ALL SELECT 'A-' || unit || '-' || n, happened, unit, loop, '报警', tag, priority FROM raised
UNION ALL SELECT 'R-' || unit || '-' || n, happened + INTERVAL 1 SECOND * (4 + (hash(unit, n, 'r') % 1800)::INTEGER), unit, loop, '恢复', tag, priority FROM raised WHERE NOT (n < 1000 AND (hash(unit, n, 'stand') % 400)::INTEGER = 0)
