-- title.zh: 采信的分类
-- title.en: Classifications that count
-- Not those of the future, of less confidence than 0.6 (a proposal), nor of plots that are not there.
SELECT c.plot, c.seen, c.how, c.found, c.confidence, c.photo, CASE WHEN c.found IN ('建设', '堆场') THEN 'nonfarm' WHEN c.found IN ('苗木', '果园', '鱼塘') THEN 'nongrain' WHEN c.found = '撂荒' THEN 'idle' ELSE 'field' END AS kind
FROM grain_classes AS c JOIN grain_plots AS p ON p.plot = c.plot WHERE c.seen <= city_today() AND c.confidence >= 0.6
