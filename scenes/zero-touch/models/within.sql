-- title.zh: 时段内的事件
-- title.en: Events within the time looked at
SELECT e.event, e.happened, e.unit, e.loop, e.kind, e.tag, e.priority FROM dcs_events AS e, span AS s WHERE e.happened BETWEEN s.since AND s.until
