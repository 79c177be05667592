-- Twenty junctions (样例) along real roads, and two of the textbook: T1 for uniform arrivals and Webster's plan, T2 for a queue that grows.
WITH named AS (
    SELECT * FROM (VALUES
        ('荷花中路—三衢路', 'Hehua–Sanqu', '柯城区', 118.876, 28.957), ('荷花中路—西安路', 'Hehua–Xi''an', '柯城区', 118.870, 28.957), ('荷花中路—劳动路', 'Hehua–Laodong', '柯城区', 118.864, 28.958), ('上街—新桥街', 'Shangjie–Xinqiao', '柯城区', 118.874, 28.968),
        ('上街—下街', 'Shangjie–Xiajie', '柯城区', 118.879, 28.967), ('白云中大道—三衢路', 'Baiyun–Sanqu', '柯城区', 118.852, 28.953), ('白云中大道—盈川东路', 'Baiyun–Yingchuan', '柯城区', 118.851, 28.961), ('白云中大道—紫荆东路', 'Baiyun–Zijing', '柯城区', 118.850, 28.968),
        ('花园中大道—三衢路', 'Huayuan–Sanqu', '柯城区', 118.858, 28.944), ('花园中大道—荷花中路', 'Huayuan–Hehua', '柯城区', 118.866, 28.946), ('九华中大道—三衢路', 'Jiuhua–Sanqu', '柯城区', 118.842, 28.951), ('九华中大道—盈川东路', 'Jiuhua–Yingchuan', '柯城区', 118.841, 28.960),
        ('西区大道—三衢路', 'Xiqu–Sanqu', '柯城区', 118.832, 28.949), ('锦西大道—亭川东路', 'Jinxi–Tingchuan', '柯城区', 118.836, 28.972), ('浙西大道—花园中大道', 'Zhexi–Huayuan', '柯城区', 118.872, 28.937), ('振兴东路—霞飞路', 'Zhenxing–Xiafei', '衢江区', 118.951, 28.979),
        ('振兴东路—府前路', 'Zhenxing–Fuqian', '衢江区', 118.957, 28.980), ('霞飞路—沈家大道', 'Xiafei–Shenjia', '衢江区', 118.949, 28.986), ('信安大道—百灵路', 'Xin''an–Bailing', '衢江区', 118.943, 28.977), ('三江东路—信安大道', 'Sanjiang–Xin''an', '柯城区', 118.892, 28.965)
    ) AS n(name, name_en, county, lon, lat)
), numbered AS (SELECT *, row_number() OVER () AS i FROM named)
SELECT 'J' || lpad(i::VARCHAR, 2, '0') AS junction, name, name_en, county, lon, lat, CASE WHEN i % 3 = 0 THEN 3 ELSE 2 END AS stages, 4.0 AS lost, FALSE AS textbook FROM numbered
UNION ALL SELECT 'T1', '教科书：均匀到达', 'textbook: uniform arrivals', NULL, NULL, NULL, 2, 5.0, TRUE UNION ALL SELECT 'T2', '教科书：过饱和', 'textbook: oversaturated', NULL, NULL, NULL, 2, 5.0, TRUE
