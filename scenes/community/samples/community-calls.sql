-- Calls of the three weeks before that were answered (样例): most by the grid worker within five minutes, some by the centre, a few by the family.
WITH heard AS (
    SELECT device, kind, min(happened) AS opened FROM community_signals WHERE kind IN ('SOS', '跌倒') AND happened < TIMESTAMP '2026-11-21 21:00:00' GROUP BY device, kind, left(signal, length(signal) - 1)
), placed AS (
    SELECT h.device, h.kind, h.opened, hh.place, (hash(h.device, h.opened, 'who') % 100)::INTEGER AS u FROM heard AS h JOIN community_devices AS d USING (device) JOIN community_members AS m ON m.person = d.person JOIN community_households AS hh USING (household)
    QUALIFY row_number() OVER (PARTITION BY h.device, h.opened ORDER BY m.since DESC) = 1
)
SELECT 'S' || lpad(row_number() OVER (ORDER BY opened, device)::VARCHAR, 4, '0') AS number, kind, device, opened AS started, place, CASE WHEN u < 79 THEN 'worker' WHEN u < 95 THEN 'centre' ELSE 'family' END AS answered,
    CASE WHEN u % 10 < 5 THEN 'safe' WHEN u % 10 < 8 THEN 'mistake' ELSE 'hospital' END AS result, 'done' AS state, opened,
    opened + INTERVAL 1 SECOND * (CASE WHEN u < 79 THEN 40 + u * 3 WHEN u < 95 THEN 330 + u * 4 ELSE 930 + u * 5 END)::INTEGER AS closed
FROM placed
