-- Requests of a year (样例): six kinds, three departments late more often than the others, some sent back after a bad rating.
WITH dice AS (
    SELECT i, printf('QF%04d', (1 + hash(i, 'who') % 2000)::INTEGER) AS firm, ['用工', '用能', '用地', '融资', '政策', '审批'][1 + (hash(i, 'kind') % 6)::INTEGER] AS kind, TIMESTAMP '2025-12-01 09:00:00' + INTERVAL 1 MINUTE * ((hash(i, 'at') % 355)::INTEGER * 1440 + (hash(i, 'min') % 480)::INTEGER) AS opened,
        ['1wd', '3wd', '5wd', '5wd', '10wd'][1 + (hash(i, 'within') % 5)::INTEGER] AS within, (hash(i, 'late') % 100)::INTEGER AS l, (hash(i, 'rating') % 100)::INTEGER AS r FROM range(2400) AS rows(i)
), sent AS (
    SELECT d.*, g.county, CASE kind WHEN '用工' THEN '3308-rsj' WHEN '用能' THEN '3308-fgw' WHEN '用地' THEN '3308-zgj' WHEN '融资' THEN '3308-jrb' WHEN '政策' THEN '3308-jxj' ELSE '3308-zwfw' END AS department,
        CASE within WHEN '1wd' THEN 1 WHEN '3wd' THEN 3 WHEN '5wd' THEN 7 ELSE 14 END AS days FROM dice AS d JOIN firm_register AS g ON g.firm = d.firm
), done AS (
    SELECT *, l < CASE department WHEN '3308-zgj' THEN 24 WHEN '3308-jrb' THEN 15 ELSE 6 END AS late FROM sent
)
SELECT printf('S%05d', i) AS number, '企业诉求：' || kind AS title, department AS unit, 'done' AS state, CAST(NULL AS VARCHAR) AS step, opened, opened + INTERVAL 1 HOUR * CASE WHEN late THEN days * 24 + 6 + 5 * l ELSE greatest(2, days * (3 + l // 5)) END AS closed, opened + INTERVAL 1 DAY * days AS due,
    firm, county, kind, CASE kind WHEN '用工' THEN '旺季缺操作工' WHEN '用能' THEN '希望错峰用电有人指导' WHEN '用地' THEN '扩建车间需要用地' WHEN '融资' THEN '应收账款多，想做质押' WHEN '政策' THEN '想知道能享受哪些奖补' ELSE '扩产环评进度' END || '（样例 ' || i || '）' AS ask,
    department, within, '已联系企业并答复（样例）' AS answer, CASE WHEN r < 25 THEN NULL WHEN r < 30 + CASE WHEN late THEN 20 ELSE 0 END THEN '2' WHEN r < 45 THEN '3' WHEN r < 70 THEN '4' ELSE '5' END AS rating, CASE WHEN late AND r < 50 THEN 2 ELSE 1 END AS rounds, false AS by_city, opened + INTERVAL 1 DAY * days AS answer_due, opened + INTERVAL 1 HOUR * CASE WHEN late THEN days * 24 + 5 + 5 * l ELSE greatest(1, days * (3 + l // 5) - 1) END AS answer_done
FROM done
