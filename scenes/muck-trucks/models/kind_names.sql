-- title.zh: 违规类别
-- title.en: Kinds of breach
SELECT kind, kind_en FROM (VALUES ('超速', 'speeding'), ('疲劳', 'fatigue'), ('日超时', 'hours a day'), ('禁行时段', 'night ban'), ('偏离线路', 'off the route'), ('禁区', 'no-go area'), ('乱倒', 'dumping'), ('未密闭', 'open cover'), ('终端报警', 'call of the terminal'), ('定位漂移', 'drift'), ('时钟超前', 'clock ahead')) AS k(kind, kind_en)
