-- title.zh: 飞地分享（按规则算）
-- title.en: Shares of enclaves by rule
-- In cents, step by step: the home side has its share of what lies in each step, rounded once, the host side the rest, so that both add up to the whole. Shares that do not add up to one give nothing (a rule says so).
WITH steps AS (
    SELECT r.enclave, r.item, r.above, r.home_share, r.host_share, lead(r.above) OVER (PARTITION BY r.enclave, r.item ORDER BY r.above) AS upto, bool_and(abs(r.home_share + r.host_share - 1) < 0.0000001) OVER (PARTITION BY r.enclave, r.item) AND min(r.above) OVER (PARTITION BY r.enclave, r.item) = 0 AS sound FROM invest_sharing AS r
), parts AS (
    SELECT f.enclave, f.period, f.item, f.amount, CAST(round(f.amount * 100) AS BIGINT) AS cents, bool_and(s.sound) AS sound, round(sum(s.home_share * greatest(0, least(CAST(round(f.amount * 100) AS BIGINT), coalesce(CAST(round(s.upto * 100) AS BIGINT), CAST(round(f.amount * 100) AS BIGINT))) - CAST(round(s.above * 100) AS BIGINT))), 4) AS home
    FROM invest_enclave_figures AS f JOIN steps AS s ON s.enclave = f.enclave AND s.item = f.item GROUP BY f.enclave, f.period, f.item, f.amount
)
SELECT enclave, period, parts.item, coalesce(n.item_en, parts.item) AS item_en, cents, sound, CASE WHEN sound THEN CAST(round(home) AS BIGINT) END AS home_cents, CASE WHEN sound THEN cents - CAST(round(home) AS BIGINT) END AS host_cents,
    cents / 100.0 AS amount, CASE WHEN sound THEN CAST(round(home) AS BIGINT) / 100.0 END AS home, CASE WHEN sound THEN (cents - CAST(round(home) AS BIGINT)) / 100.0 END AS host
FROM parts LEFT JOIN item_names AS n ON n.item = parts.item
