-- What runs today (样例): 120 s at all junctions, greens in equal parts. The textbook's: 80 s by Webster for T1, 60 s for T2.
WITH equal AS (SELECT j.junction, s.stage, floor((120 - j.stages * j.lost) / j.stages) AS green FROM traffic_junctions AS j, (VALUES (1), (2), (3)) AS s(stage) WHERE s.stage <= j.stages AND NOT j.textbook)
SELECT * FROM equal UNION ALL SELECT * FROM (VALUES ('T1', 1, 37.0), ('T1', 2, 33.0), ('T2', 1, 30.0), ('T2', 2, 20.0)) AS t
