-- title.zh: 手动操作
-- title.en: Manual operations by loop
SELECT e.unit, e.loop, count(*) AS operations, count(*) / s.hours AS an_hour FROM within AS e, span AS s WHERE e.kind = '操作' GROUP BY e.unit, e.loop, s.hours
