-- title.zh: 待结算
-- title.en: To be settled
-- Periods of which tax and cost are both told and sound, and that no case has settled or is settling.
SELECT s.enclave, e.name, coalesce(e.name_en, e.name) AS name_en, e.home AS home_unit, e.host AS host_unit, s.period, max(s.amount) FILTER (WHERE s.item = '税收') AS tax_total, max(s.home) FILTER (WHERE s.item = '税收') AS tax_home, max(s.host) FILTER (WHERE s.item = '税收') AS tax_host,
    max(s.amount) FILTER (WHERE s.item = '成本') AS cost_total, max(s.home) FILTER (WHERE s.item = '成本') AS cost_home, max(s.host) FILTER (WHERE s.item = '成本') AS cost_host
FROM shared AS s JOIN invest_enclaves AS e ON e.enclave = s.enclave WHERE s.item IN ('税收', '成本') AND NOT EXISTS (SELECT 1 FROM invest_settlements AS t WHERE t.enclave = s.enclave AND t.period = s.period AND t.state <> 'withdrawn')
GROUP BY s.enclave, e.name, e.name_en, e.home, e.host, s.period HAVING count(*) = 2 AND bool_and(s.sound)
