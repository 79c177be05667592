-- title.zh: 县（市、区）的英文名
-- title.en: Counties in English
SELECT county, county_en FROM (VALUES ('柯城区', 'Kecheng'), ('衢江区', 'Qujiang'), ('常山县', 'Changshan'), ('开化县', 'Kaihua'), ('龙游县', 'Longyou'), ('江山市', 'Jiangshan')) AS c(county, county_en)
