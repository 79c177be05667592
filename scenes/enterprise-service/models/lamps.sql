-- title.zh: 诉求与亮灯
-- title.en: Requests and their lamps
-- Green in time, yellow on the last day, red when the due time is over; what is closed keeps the lamp it had then. Without a due time: grey.
SELECT q.*, r.name, coalesce(u.title_zh, q.department) AS office, coalesce(u.title_en, q.department) AS office_en, date_diff('hour', q.opened, coalesce(q.closed, CAST(now() AS TIMESTAMP))) AS hours,
    CASE WHEN q.due IS NULL THEN 'grey' WHEN coalesce(q.closed, CAST(now() AS TIMESTAMP)) > q.due THEN 'red' WHEN q.closed IS NULL AND q.due - CAST(now() AS TIMESTAMP) <= INTERVAL 1 DAY THEN 'yellow' ELSE 'green' END AS lamp
FROM firm_requests AS q LEFT JOIN firm_register AS r ON r.firm = q.firm LEFT JOIN offices AS u ON u.unit = q.department
