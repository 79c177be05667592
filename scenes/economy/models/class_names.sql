-- title.zh: 核心产业的分类
-- title.en: Classes of core industries
-- 数字经济及其核心产业统计分类（2021）; over no dataset, so that anybody may read it.
SELECT class, class_name FROM (VALUES ('01', '01 制造'), ('02', '02 服务'), ('03', '03 应用'), ('04', '04 要素驱动')) AS c(class, class_name)
