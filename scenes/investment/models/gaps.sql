-- title.zh: 产业链缺口
-- title.en: Gaps of the chains
-- What local firms buy of a link a year, less what local firms of the link sell here. The score goes from 0 to the largest gap, 100.
WITH supply AS (
    SELECT l.link, count(f.firm) AS firms, coalesce(sum(f.output), 0) AS output, coalesce(sum(f.output * f.local_share), 0) AS local_supply FROM invest_links AS l LEFT JOIN invest_chain_firms AS f ON f.link = l.link GROUP BY l.link
), gap AS (
    SELECT l.link, l.chain, coalesce(l.chain_en, l.chain) AS chain_en, l.title, coalesce(l.title_en, l.title) AS title_en, l.stage, l.feeds, l.demand, s.firms, s.output, s.local_supply, CASE WHEN l.demand > s.local_supply THEN l.demand - s.local_supply WHEN l.demand IS NOT NULL THEN 0 END AS gap FROM invest_links AS l JOIN supply AS s ON s.link = l.link
)
SELECT *, CASE WHEN demand > 0 THEN 100.0 * least(1, local_supply / demand) END AS met_share, 100.0 * gap / nullif(max(gap) OVER (), 0) AS score,
    CASE WHEN demand IS NULL THEN 'unknown' WHEN firms = 0 THEN 'missing' WHEN firms < 3 OR local_supply < 0.3 * demand THEN 'thin' ELSE 'there' END AS kind
FROM gap
