-- title.zh: 条件的读法
-- title.en: Conditions as people say them
-- The rules of the decision table, with signs and values as anybody reads them.
SELECT rule, policy, place, replace(replace(replace(replace(replace(conditions, '<=', '≤'), '>=', '≥'), '[0..3]', '0 至 3'), ',', ' 或 '), 'not(', '不是 (') AS conditions,
    replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(conditions_en, '<=', '≤'), 'not(', 'not ('), '>=', '≥'), '[0..3]', '0 to 3'), ',', ' or '), '软件和信息技术服务业', 'software'), '信息传输业', 'telecoms'), '住宿业', 'hotels'), '餐饮业', 'restaurants'), '工业', 'industry'), '大型', 'large'), '中型', 'medium'), '小型', 'small'), '微型', 'micro'), '常山县', 'Changshan'), '开化县', 'Kaihua') AS conditions_en,
    note, note_en
FROM entitlements_rules
