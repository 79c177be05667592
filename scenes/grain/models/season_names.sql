-- title.zh: 季的叫法
-- title.en: What seasons are called
-- A year has two: early rice (1), and single rice, which stands until autumn (2). Over no dataset, so that anybody may read it.
SELECT y.year || '-' || h.half AS season, y.year || h.said AS season_name FROM range(2000, 2100) AS y(year), (VALUES ('1', ' 早稻'), ('2', ' 单季稻')) AS h(half, said)
