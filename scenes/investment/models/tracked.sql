-- title.zh: 500 亿元与 30 个超 10 亿元项目
-- title.en: 50 billion yuan and thirty projects over one billion
-- 规划五（一）: by 2025 “引进数字经济项目总投资额达到 500 亿元，其中投资额超 10 亿元的项目 30 个以上”. Counted: digital projects signed in 2021 to 2025, each once, checked where strange, still here. Over 1 billion is more than 100,000 (10,000 yuan), not as much.
SELECT year(signed) AS year, count(*) AS projects, sum(worth) / 10000 AS amount, count(*) FILTER (WHERE worth > 100000) AS large FROM amounts WHERE digital AND standing = 'counted' AND signed >= DATE '2021-01-01' GROUP BY year(signed)
