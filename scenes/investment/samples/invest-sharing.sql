-- Shares (样例): costs half and half (“成本责任均担”); of tax above 5 million yuan a quarter the home side has more.
SELECT enclave, item, above, home_share, host_share FROM invest_enclaves CROSS JOIN (VALUES ('成本', 0.0, 0.5, 0.5), ('税收', 0.0, 0.5, 0.5), ('税收', 5000000.0, 0.6, 0.4), ('产值', 0.0, 0.7, 0.3)) AS rules(item, above, home_share, host_share)
