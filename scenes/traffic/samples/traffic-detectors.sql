SELECT approach || CASE spot WHEN '上游' THEN '-U' ELSE '-S' END AS detector, approach, spot FROM traffic_approaches, (VALUES ('上游'), ('停车线')) AS s(spot)
-- One approach has lost its detectors (样例).
WHERE approach NOT LIKE 'T%' AND approach <> 'J20-3'
