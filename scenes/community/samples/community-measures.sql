-- What communities report by month (样例).
WITH kinds AS (SELECT * FROM (VALUES ('desks', 24, 0.62), ('adapted', 320, 0.71), ('piles', 240, 0.145), ('energy', 100000, 0.957), ('lessons', 400, 0.74)) AS k(measure, bottom, share))
SELECT p.place, m.month, k.measure, round(k.bottom * k.share * (0.88 + (hash(p.place, m.month, k.measure) % 240) / 1000.0), 0) AS top, k.bottom::DOUBLE AS bottom
FROM community_places AS p, (VALUES ('2026-10'), ('2026-11')) AS m(month), kinds AS k
