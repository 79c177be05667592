-- title.zh: 县（市、区）的英文名与代码
-- title.en: Counties in English, and their codes
SELECT county, county_en, code FROM (VALUES ('柯城区', 'Kecheng', '330802'), ('衢江区', 'Qujiang', '330803'), ('常山县', 'Changshan', '330822'), ('开化县', 'Kaihua', '330824'), ('龙游县', 'Longyou', '330825'), ('江山市', 'Jiangshan', '330881')) AS c(county, county_en, code)
