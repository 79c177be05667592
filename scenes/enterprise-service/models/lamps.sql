-- title.zh: 诉求与亮灯
-- title.en: Requests and their lamps
-- What the department has to keep is the time of its answer. Green in time, yellow on the last day, red when it is over; what was answered keeps the lamp it had then. Without a due time: grey.
SELECT q.number, q.title, q.firm, r.name, replace(r.name, '样例企业', 'Sample enterprise') AS name_en, q.county, q.kind,
    CASE q.kind WHEN '用工' THEN 'labour' WHEN '用能' THEN 'energy' WHEN '用地' THEN 'land' WHEN '融资' THEN 'finance' WHEN '政策' THEN 'policies' WHEN '审批' THEN 'permits' WHEN '主动上门' THEN 'visit by the city' ELSE q.kind END AS kind_en, q.ask, q.department, coalesce(u.title_zh, q.department, '待分派') AS office, coalesce(u.title_en, q.department, 'not sent yet') AS office_en, q.state, q.step, q.opened, q.closed, q.due, q.answer_due, q.answer_done, q.within, q.answer, q.rating, q.rounds, q.by_city,
    CASE WHEN q.answer_done IS NOT NULL THEN date_diff('minute', q.opened, q.answer_done) / 60.0 END AS hours,
    CASE WHEN coalesce(q.answer_due, q.due) IS NULL THEN 'grey' WHEN coalesce(q.answer_done, q.closed, city_now()) > coalesce(q.answer_due, q.due) THEN 'red' WHEN q.answer_done IS NULL AND q.state = 'open' AND coalesce(q.answer_due, q.due) - city_now() <= INTERVAL 1 DAY THEN 'yellow' ELSE 'green' END AS lamp
FROM firm_requests AS q LEFT JOIN firm_register AS r ON r.firm = q.firm LEFT JOIN offices AS u ON u.unit = q.department
