-- title.zh: 一日行程
-- title.en: Day trips
-- refresh: table
-- key: start, leaves, a, b, c
-- Every way through one to three areas from each start and hour of leaving, enumerated: arrive, wait until it opens, stay as long as a visit takes, and
-- no later than closing time; then on, and back to the start. What does not fit is not here.
WITH begins AS (SELECT s.start, CAST(h AS BIGINT) AS leaves FROM tourism_starts AS s CROSS JOIN range(420, 780, 60) AS r(h)),
one AS (
    SELECT b.start, b.leaves, h.area AS a, b.leaves + w.minutes AS a_arrives, greatest(b.leaves + w.minutes, h.opens) + h.visit AS a_done, w.minutes AS driven, h.visit AS visited
    FROM begins AS b JOIN tourism_roads AS w ON w.start = b.start JOIN hours AS h ON h.area = w.area WHERE greatest(b.leaves + w.minutes, h.opens) + h.visit <= h.closes
), two AS (
    SELECT o.*, h.area AS b, o.a_done + w.minutes AS b_arrives, greatest(o.a_done + w.minutes, h.opens) + h.visit AS b_done, o.driven + w.minutes AS driven2, o.visited + h.visit AS visited2
    FROM one AS o JOIN tourism_roads AS w ON w.start = o.a JOIN hours AS h ON h.area = w.area WHERE greatest(o.a_done + w.minutes, h.opens) + h.visit <= h.closes
), three AS (
    SELECT o.*, h.area AS c, o.b_done + w.minutes AS c_arrives, greatest(o.b_done + w.minutes, h.opens) + h.visit AS c_done, o.driven2 + w.minutes AS driven3, o.visited2 + h.visit AS visited3
    FROM two AS o JOIN tourism_roads AS w ON w.start = o.b JOIN hours AS h ON h.area = w.area WHERE h.area <> o.a AND greatest(o.b_done + w.minutes, h.opens) + h.visit <= h.closes
), ways AS (
    SELECT start, leaves, a, '' AS b, '' AS c, a_arrives, CAST(NULL AS BIGINT) AS b_arrives, CAST(NULL AS BIGINT) AS c_arrives, a_done AS done, a AS last, driven, visited, 1 AS stops FROM one
    UNION ALL SELECT start, leaves, a, b, '', a_arrives, b_arrives, NULL, b_done, b, driven2, visited2, 2 FROM two
    UNION ALL SELECT start, leaves, a, b, c, a_arrives, b_arrives, c_arrives, c_done, c, driven3, visited3, 3 FROM three
)
SELECT y.start, y.leaves, y.a, y.b, y.c, y.stops, y.a_arrives, y.b_arrives, y.c_arrives, y.done, y.done + w.minutes AS returns, y.driven + w.minutes AS driven, y.visited FROM ways AS y JOIN tourism_roads AS w ON w.start = y.start AND w.area = y.last WHERE y.done + w.minutes <= 1380
