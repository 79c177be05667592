-- title.zh: 呼叫应答
-- title.en: Calls and how soon they were answered
-- Of the last thirty days; a call that nobody has answered yet is late once five minutes have passed.
SELECT c.number, c.kind, c.place, coalesce(c.answered, '') AS answered, c.opened, c.closed, epoch(c.closed - c.opened) / 60 AS minutes,
    c.closed IS NOT NULL AND c.closed - c.opened <= INTERVAL 5 MINUTE AS in_time
FROM community_calls AS c, as_of AS a WHERE c.opened > a.at - INTERVAL 30 DAY AND (c.closed IS NOT NULL OR c.opened < a.at - INTERVAL 5 MINUTE)
