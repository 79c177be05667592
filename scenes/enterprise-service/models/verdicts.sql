-- title.zh: 逐条结论
-- title.en: Verdicts, rule by rule
-- What of a rule an enterprise does not meet, and what stands there instead, with signs and values as anybody reads them.
SELECT firm, rule, replace(replace(replace(replace(replace(missing, '<=', '≤'), '>=', '≥'), '[0..3]', '0 至 3'), ',', ' 或 '), 'not(', '不是 (') AS missing,
    replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(missing_en, '<=', '≤'), 'not(', 'not ('), '>=', '≥'), '[0..3]', '0 to 3'), ',', ' or '), '软件和信息技术服务业', 'software'), '信息传输业', 'telecoms'), '租赁和商务服务业', 'business services'), '交通运输业', 'transport'), '批发业', 'wholesale'), '零售业', 'retail'), '建筑业', 'construction'), '住宿业', 'hotels'), '餐饮业', 'restaurants'), '工业', 'industry'), '大型', 'large'), '中型', 'medium'), '小型', 'small'), '微型', 'micro'), '柯城区', 'Kecheng'), '衢江区', 'Qujiang'), '常山县', 'Changshan'), '开化县', 'Kaihua'), '龙游县', 'Longyou'), '江山市', 'Jiangshan'), '现为', 'is') AS missing_en
FROM entitlements WHERE missing <> ''
