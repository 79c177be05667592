-- title.zh: 待公布
-- title.en: Ready to publish
-- Counts below ten are not told, others rounded to tens each by itself, so that none is the whole less the others. Of fewer than ten people no share is
-- told; of others in steps that stand for ten of them at least, and no part is more than its whole.
WITH counts AS (
    SELECT 'elders' AS measure, place, count(*)::DOUBLE AS n FROM persons WHERE place IS NOT NULL GROUP BY place
    UNION ALL SELECT 'elders', 'all', count(*)::DOUBLE FROM persons
    UNION ALL SELECT 'care', place, count(*)::DOUBLE FROM care WHERE now_in_care AND place IS NOT NULL GROUP BY place
    UNION ALL SELECT 'care', 'all', count(*)::DOUBLE FROM care WHERE now_in_care
    UNION ALL SELECT 'level-' || level, 'all', count(*)::DOUBLE FROM care WHERE now_in_care GROUP BY level
    UNION ALL SELECT 'helps', 'all', count(*)::DOUBLE FROM visits_judged WHERE fault IS NULL AND help IS NOT NULL
    UNION ALL SELECT 'meals', 'all', count(*)::DOUBLE FROM community_meals AS m, as_of AS a WHERE m.day > a.day - 14 AND m.day <= a.day
    UNION ALL SELECT 'reason-' || reason_en, 'all', count(*)::DOUBLE FROM missed GROUP BY reason_en
), whole AS (
    SELECT measure, place, top, bottom FROM shares
    UNION ALL SELECT measure, 'all', sum(top), sum(bottom) FROM shares GROUP BY measure
), told AS (
    SELECT measure, place, CASE WHEN n >= 10 THEN (round(n / 10) * 10)::BIGINT END AS people, CASE WHEN n >= 10 THEN round(n / 10) * 10 END AS value, n < 10 AS hidden FROM counts
    UNION ALL SELECT measure, place, CASE WHEN bottom >= 10 THEN (round(bottom / 10) * 10)::BIGINT END,
        CASE WHEN bottom >= 10 THEN least(round(round(100 * top / bottom / greatest(0.1, 1000 / bottom)) * greatest(0.1, 1000 / bottom), 1), CASE WHEN top <= bottom THEN 100 ELSE 1e9 END) END, bottom < 10 FROM whole
)
SELECT strftime(a.day, '%Y-%m') AS month, t.place, t.measure, t.people, t.value, t.hidden FROM told AS t, as_of AS a
