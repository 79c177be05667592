-- title.zh: 承办部门
-- title.en: Departments
SELECT * FROM (VALUES ('3308-jxj', '经信局', 'Industry and IT'), ('3308-kjj', '科技局', 'Science'), ('3308-czj', '财政局', 'Finance'), ('3308-rsj', '人力社保局', 'Labour'), ('3308-fgw', '发改委', 'Development'), ('3308-zgj', '资规局', 'Land and planning'),
    ('3308-jrb', '金融办', 'Financial affairs'), ('3308-zwfw', '营商办', 'Government services'), ('3308-dsj', '大数据局', 'Big data'), ('3308-swj', '商务局', 'Commerce')) AS units(unit, title_zh, title_en)
