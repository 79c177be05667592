-- 48 meters (样例) of four kinds of work.
SELECT 'M' || lpad((i + 1)::VARCHAR, 3, '0') AS meter, '样例用户 ' || (i + 1) AS name, ['电子材料', '化工', '机械', '冷库'][1 + i % 4] AS industry,
    ['柯城区', '衢江区', '江山市', '龙游县', '常山县', '开化县'][1 + i % 6] AS county, [630, 1250, 2000, 3150][1 + (hash(i) % 4)::INTEGER] AS capacity
FROM range(48) AS rows(i)
