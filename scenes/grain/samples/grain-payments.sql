-- What was paid (样例): the two rounds of 2025 and the spring of 2026, but for plots on which somebody had objected.
SELECT 'P' || n.season || '-' || n.scheme || '-' || n.plot AS payment, n.plot, n.season, n.scheme, CASE n.scheme WHEN 'soil' THEN p.holder ELSE w.grower END AS payee, n.amount, n.shown + 12 AS paid
FROM grain_notices AS n JOIN grain_plots AS p ON p.plot = n.plot JOIN grain_sowings AS w ON w.plot = n.plot AND w.season = n.season
WHERE n.season < '2026-2' AND NOT EXISTS (SELECT 1 FROM grain_objections AS o WHERE o.plot = n.plot AND o.season = n.season AND o.decision = 'upheld')
