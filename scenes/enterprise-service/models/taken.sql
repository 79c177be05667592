-- title.zh: 已占用的兑付
-- title.en: What is paid or on its way
-- Cases that finance did not stop: paid, or still open with what they are for. One row an enterprise, policy and year; `times` should be one.
SELECT firm, policy, year, count(*) AS times, round(sum(coalesce(paid, amount, 0)), 2) AS amount, round(sum(coalesce(paid, 0)), 2) AS paid
FROM firm_grants WHERE firm IS NOT NULL AND policy IS NOT NULL AND state <> 'withdrawn' AND coalesce(confirmed, 'yes') <> 'no' GROUP BY firm, policy, year
