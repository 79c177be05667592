-- title.zh: 装置的英文名
-- title.en: Process units in English
SELECT u.unit, replace(u.firm, '样例企业', 'Sample enterprise') AS firm_en, coalesce(s.section_en, u.section) AS section_en
FROM dcs_units AS u LEFT JOIN (VALUES ('合成', 'synthesis'), ('精馏', 'distillation'), ('聚合', 'polymerisation'), ('电解', 'electrolysis'), ('公用工程', 'utilities')) AS s(section, section_en) ON s.section = u.section
