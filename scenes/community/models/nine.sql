-- title.zh: 九场景指标
-- title.en: The nine scenes
-- A whole of nothing gives no share and no lamp, not zero.
SELECT t.measure, t.place_no, t.scene, t.scene_en, t.title, t.title_en, t.target, t.amber, t.higher, t.computed, sum(s.top) AS top, sum(s.bottom) AS bottom, 100 * sum(s.top) / nullif(sum(s.bottom), 0) AS value,
    CASE WHEN coalesce(sum(s.bottom), 0) = 0 THEN '无数据' WHEN CASE WHEN t.higher THEN 100 * sum(s.top) / sum(s.bottom) >= t.target ELSE 100 * sum(s.top) / sum(s.bottom) <= t.target END THEN '绿'
        WHEN CASE WHEN t.higher THEN 100 * sum(s.top) / sum(s.bottom) >= t.amber ELSE 100 * sum(s.top) / sum(s.bottom) <= t.amber END THEN '黄' ELSE '红' END AS lamp,
    CASE WHEN coalesce(sum(s.bottom), 0) = 0 THEN 'no data' WHEN CASE WHEN t.higher THEN 100 * sum(s.top) / sum(s.bottom) >= t.target ELSE 100 * sum(s.top) / sum(s.bottom) <= t.target END THEN 'green'
        WHEN CASE WHEN t.higher THEN 100 * sum(s.top) / sum(s.bottom) >= t.amber ELSE 100 * sum(s.top) / sum(s.bottom) <= t.amber END THEN 'amber' ELSE 'red' END AS lamp_en
FROM community_targets AS t LEFT JOIN shares AS s ON s.measure = t.measure GROUP BY t.measure, t.place_no, t.scene, t.scene_en, t.title, t.title_en, t.target, t.amber, t.higher, t.computed
