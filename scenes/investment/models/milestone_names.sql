-- title.zh: 六个节点
-- title.en: The six milestones
SELECT seq, milestone_en FROM (VALUES (1, 'signed'), (2, 'established'), (3, 'begun'), (4, 'built'), (5, 'producing'), (6, 'full output')) AS m(seq, milestone_en)
