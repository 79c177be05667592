-- Six days of doors, three weeks of calls, up to half past nine in the evening of the 22nd of November 2026 (样例). Doors open by day; a few stay shut
-- since the day before; a call button is often pressed several times in a minute.
WITH doors AS (SELECT device, (hash(device, 'shut') % 45 = 3)::INTEGER AS shut, 3 + (hash(device) % 3)::INTEGER AS often FROM community_devices WHERE kind = '门磁'),
opened AS (
    SELECT device, d, n, shut, DATE '2026-11-17' + d::INTEGER + INTERVAL 1 SECOND * (21600 + n * 11000 + hash(device, d, n) % 10800)::INTEGER AS happened
    FROM doors, range(6) AS days(d), range(5) AS times(n) WHERE n < often AND (shut = 0 OR d < 4)
), pressed AS (
    SELECT device, kind, i, TIMESTAMP '2026-11-01 06:00:00' + INTERVAL 1 SECOND * ((hash(device, i, 'sos') % 1860000)::INTEGER) AS began FROM community_devices, range(2) AS times(i)
    WHERE kind <> '门磁' AND person IS NOT NULL AND hash(device, i, 'call') % 18 = 0
    UNION ALL SELECT device, kind, 9, TIMESTAMP '2026-11-22 20:41:10' FROM (SELECT device, kind FROM community_devices WHERE kind <> '门磁' AND person IS NOT NULL ORDER BY hash(device, 'tonight') LIMIT 3) AS tonight
)
SELECT 'O' || device || '-' || d || n AS signal, device, happened, '开门' AS kind FROM opened WHERE happened < TIMESTAMP '2026-11-22 21:30:00'
UNION ALL SELECT 'S' || device || '-' || i || r, device, began + INTERVAL 1 SECOND * (r * 17)::INTEGER, CASE kind WHEN '呼叫按钮' THEN 'SOS' ELSE '跌倒' END
FROM pressed, range(3) AS again(r) WHERE r = 0 OR (kind = '呼叫按钮' AND hash(device, i, 'again') % 3 >= r)
UNION ALL SELECT 'L' || device, device, TIMESTAMP '2026-11-20 08:00:00', '电量低' FROM community_devices WHERE hash(device, 'battery') % 60 = 0
