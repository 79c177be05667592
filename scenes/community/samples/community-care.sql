-- 4,125 persons in care (the article's figure), the older the likelier (样例); some came in lately, a few have left.
WITH places AS (SELECT person, place FROM community_members JOIN community_households USING (household) QUALIFY row_number() OVER (PARTITION BY person ORDER BY since DESC) = 1),
chosen AS (
    SELECT person, born, place, (hash(person, 'care') % 1000003)::INTEGER AS h FROM community_elders JOIN places USING (person)
    ORDER BY (2026 - year(born) - 60) * 12 + hash(person, 'pick') % 600 DESC, person LIMIT 4125
)
SELECT person, CASE WHEN h % 100 < 3 THEN 90 WHEN h % 100 < 48 THEN 66 + h % 24 WHEN h % 100 < 78 THEN 46 + h % 20 WHEN h % 100 < 93 THEN 30 + h % 16 ELSE h % 30 END AS score,
    DATE '2025-09-01' + (h % 420)::INTEGER AS assessed, CASE WHEN h % 23 = 0 THEN DATE '2026-10-01' + (h % 40)::INTEGER ELSE DATE '2021-01-01' + (h % 1800)::INTEGER END AS since,
    CASE WHEN h % 211 = 7 THEN DATE '2026-10-20' + (h % 20)::INTEGER END AS until,
    'W' || right(place, 8) || '-' || (1 + (h // 7) % 5) AS worker
FROM chosen
