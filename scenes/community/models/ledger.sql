-- title.zh: 积分账
-- title.en: Ledger of points
-- Entry by entry: what would make the balance negative is refused and takes nothing, so that later ones are judged by what is really there.
-- Up to 2,000 entries a person.
WITH RECURSIVE entries AS (
    SELECT entry, person, happened, kind, points, what, row_number() OVER (PARTITION BY person ORDER BY happened, kind DESC, entry) AS n FROM community_points
), booked(entry, person, happened, kind, points, what, n, taken, balance) AS (
    SELECT entry, person, happened, kind, points, what, n, kind = '挣', CASE WHEN kind = '挣' THEN points ELSE 0 END FROM entries WHERE n = 1
    UNION ALL SELECT e.entry, e.person, e.happened, e.kind, e.points, e.what, e.n, e.kind = '挣' OR e.points <= b.balance,
        CASE WHEN e.kind = '挣' THEN b.balance + e.points WHEN e.points <= b.balance THEN b.balance - e.points ELSE b.balance END
    FROM booked AS b JOIN entries AS e ON e.person = b.person AND e.n = b.n + 1 WHERE b.n < 2000
)
SELECT entry, person, happened, kind, points, what, taken, balance FROM booked
