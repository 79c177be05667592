-- Titles (样例): some 260 high-tech enterprises, each for three years; fewer of the rarer ones.
WITH dice AS (SELECT firm, industry, founded, (hash(firm, 'tag') % 1000)::INTEGER AS t, (hash(firm, 'since') % 4)::INTEGER AS y, (hash(firm, 'day') % 28)::INTEGER AS d FROM firm_register WHERE industry IN ('工业', '软件和信息技术服务业', '信息传输业') AND founded < DATE '2022-01-01'),
given AS (
    SELECT firm, '高新技术企业' AS tag, make_date(2022 + y, 12, 1 + d) AS since, 3 AS years FROM dice WHERE t < 260
    UNION ALL SELECT firm, '科技型中小企业', make_date(2022 + y, 6, 1 + d), 4 FROM dice WHERE t >= 180 AND t < 520
    UNION ALL SELECT firm, '专精特新中小企业', make_date(2023 + (hash(firm, 'special') % 3)::INTEGER, 9, 1 + d), 3 FROM dice WHERE t < 110
    UNION ALL SELECT firm, '专精特新“小巨人”', make_date(2024 + y % 2, 8, 1 + d), 3 FROM dice WHERE t < 24
)
SELECT firm, tag, since, (since + INTERVAL 1 YEAR * years)::DATE AS until FROM given
