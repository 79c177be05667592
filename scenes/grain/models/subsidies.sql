-- title.zh: 补贴清单
-- title.en: The list of subsidies
-- Where each stands: paid, held (and why), to be shown, shown, payable. An open objection holds it, one that was upheld until it was shown anew;
-- a notice that says another amount is shown anew. Each plot, season and scheme is paid once: what is paid is never payable.
WITH objections AS (
    SELECT trim(plot) AS plot, season, count(*) FILTER (WHERE state = 'open') AS open, max(closed) FILTER (WHERE decision = 'upheld') AS upheld FROM grain_objections WHERE plot IS NOT NULL AND season IS NOT NULL GROUP BY trim(plot), season
), paid AS (SELECT plot, season, scheme, count(*) AS times, sum(amount) AS amount, max(paid) AS paid FROM grain_payments GROUP BY plot, season, scheme),
joined AS (
    SELECT e.*, n.amount AS shown_amount, n.shown, n.shown + CAST(e.days AS INTEGER) AS until, p.times AS paid_times, p.amount AS paid_amount, p.paid,
        coalesce(e.flaw, CASE WHEN o.open > 0 THEN 'objection' WHEN o.upheld >= n.shown THEN 'upheld' END) AS why
    FROM entitled AS e LEFT JOIN grain_notices AS n ON n.plot = e.plot AND n.season = e.season AND n.scheme = e.scheme LEFT JOIN objections AS o ON o.plot = e.plot AND o.season = e.season
    LEFT JOIN paid AS p ON p.plot = e.plot AND p.season = e.season AND p.scheme = e.scheme
)
SELECT scheme, scheme_name, scheme_en, rate, plot, season, payee, village, village_name, town_code, town, area_mu, amount, shown_amount, shown, until, coalesce(paid_times, 0) AS paid_times, paid_amount, paid, why,
    CASE WHEN paid_times > 0 THEN 'paid' WHEN why IS NOT NULL THEN 'held' WHEN shown IS NULL OR abs(shown_amount - amount) >= 0.01 THEN 'to-show' WHEN until >= city_today() THEN 'shown' ELSE 'payable' END AS state
FROM joined
