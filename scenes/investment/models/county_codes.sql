-- title.zh: 县（市、区）的代码
-- title.en: Codes of the counties
SELECT county, code FROM (VALUES ('柯城区', '330802'), ('衢江区', '330803'), ('常山县', '330822'), ('开化县', '330824'), ('龙游县', '330825'), ('江山市', '330881')) AS c(county, code)
