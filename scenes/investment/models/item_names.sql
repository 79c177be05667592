-- title.zh: 飞地分享的项目
-- title.en: What enclaves share
SELECT item, item_en FROM (VALUES ('税收', 'tax'), ('成本', 'cost'), ('产值', 'output')) AS i(item, item_en)
