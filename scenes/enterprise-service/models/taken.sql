-- title.zh: 已占用的兑付
-- title.en: What is paid or on its way
-- Cases that finance did not stop: paid when they are done, with what they are for while they are open. One row an enterprise, policy and year; `times` should be one.
SELECT firm, policy, year, count(*) AS times, round(sum(CASE WHEN state = 'done' THEN coalesce(paid, 0) ELSE coalesce(amount, 0) END), 2) AS amount, round(sum(CASE WHEN state = 'done' THEN coalesce(paid, 0) ELSE 0 END), 2) AS paid
FROM firm_grants WHERE firm IS NOT NULL AND policy IS NOT NULL AND state <> 'withdrawn' AND coalesce(confirmed, 'yes') <> 'no' GROUP BY firm, policy, year
