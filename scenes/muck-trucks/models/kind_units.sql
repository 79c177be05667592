-- title.zh: 违规类别的单位
-- title.en: In what a kind of breach is measured
SELECT kind, unit FROM (VALUES ('超速', 'km/h'), ('疲劳', '小时'), ('日超时', '小时'), ('禁行时段', '点（钟）')) AS k(kind, unit)
