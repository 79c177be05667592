-- title.zh: 项目节点与亮灯
-- title.en: Milestones and their lamps
-- Green in time, yellow due within thirty days, red when it is over and not done; blue: done, but late. Projects that left and doubles have none.
SELECT m.project, a.name, a.name_en, a.county, a.park, m.seq, m.milestone, coalesce(n.milestone_en, m.milestone) AS milestone_en, m.due, m.done, greatest(0, date_diff('day', m.due, coalesce(m.done, city_today()))) AS days_late,
    CASE WHEN m.done <= m.due THEN 'green' WHEN m.done > m.due THEN 'blue' WHEN m.due < city_today() THEN 'red' WHEN m.due <= city_today() + 30 THEN 'yellow' ELSE 'grey' END AS lamp
FROM invest_milestones AS m JOIN amounts AS a ON a.project = m.project LEFT JOIN milestone_names AS n ON n.seq = m.seq WHERE a.standing NOT IN ('double', 'left')
