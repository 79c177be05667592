-- title.zh: 线索得分
-- title.en: Scores of leads
-- `least` is what the known figures give, `most` what it would be if every unknown one were full; a score stands only where nothing is unknown.
SELECT l.lead, l.name, replace(l.name, '样例意向', 'Sample lead') AS name_en, l.link, g.title AS link_title, g.title_en AS link_title_en, l.way, CASE l.way WHEN '以商引商' THEN 'by enterprises here' WHEN '中介招商' THEN 'through agents' WHEN '联动招商' THEN 'jointly' WHEN '专班招商' THEN 'by a task force' WHEN '模块化招商' THEN 'by modules' ELSE l.way END AS way_en, l.origin, l.contacted, l.investment, l.land, s.least, s.most, CASE WHEN s.unknown = 0 THEN s.least END AS score, s.unknown, s.unknown_names, s.unknown_names_en
FROM invest_leads AS l LEFT JOIN gaps AS g ON g.link = l.link JOIN (
    SELECT lead, sum(points) AS least, sum(CASE WHEN points IS NULL THEN weight ELSE points END) AS most, count(*) FILTER (WHERE points IS NULL) AS unknown, string_agg(CASE WHEN points IS NULL THEN title END, '、' ORDER BY criterion) AS unknown_names,
        string_agg(CASE WHEN points IS NULL THEN title_en END, ', ' ORDER BY criterion) AS unknown_names_en FROM points GROUP BY lead
) AS s ON s.lead = l.lead
