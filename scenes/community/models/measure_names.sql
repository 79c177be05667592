-- title.zh: 公布的指标叫什么
-- title.en: What the published measures are called
SELECT measure, title, title_en FROM community_targets
UNION ALL SELECT measure, title, title_en FROM (VALUES
    ('elders', '服务的老人', 'elders served'), ('care', '在册关爱对象', 'persons in care'), ('helps', '帮扶', 'acts of help'), ('meals', '助餐', 'meals'),
    ('level-0', '0 正常', '0 whole'), ('level-1', '1 轻度', '1 slight'), ('level-2', '2 中度', '2 medium'), ('level-3', '3 重度', '3 severe'), ('level-4', '4 完全失能', '4 total'),
    ('reason-away', '外出', 'away'), ('reason-refused', '拒访', 'refused'), ('reason-in hospital', '住院', 'in hospital'), ('reason-no entry', '无人应门', 'no entry'), ('reason-nobody went', '没有上门', 'nobody went')
) AS n(measure, title, title_en)
