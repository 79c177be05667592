-- Whoever lives alone and is in care has a door sensor and a call button; every third of the others with less ability a radar (样例). One device has no owner.
WITH care AS (
    SELECT c.person, c.score, h.size, (hash(c.person, 'dev') % 1000)::INTEGER AS u FROM community_care AS c JOIN community_members AS m USING (person) JOIN community_households AS h USING (household)
    WHERE c.until IS NULL QUALIFY row_number() OVER (PARTITION BY c.person ORDER BY m.since DESC) = 1
)
SELECT 'D' || right(person, 5) || '-M' AS device, person, '门磁' AS kind, DATE '2025-03-01' + u AS since FROM care WHERE size = 1
UNION ALL SELECT 'D' || right(person, 5) || '-S', person, '呼叫按钮', DATE '2025-03-01' + u FROM care WHERE size = 1 OR u % 4 = 0
UNION ALL SELECT 'D' || right(person, 5) || '-R', person, '跌倒雷达', DATE '2025-03-01' + u FROM care WHERE score < 46 AND u % 3 = 0
UNION ALL SELECT 'D99999-S', NULL, '呼叫按钮', DATE '2026-01-01'
