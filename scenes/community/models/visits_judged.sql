-- title.zh: 核过的走访
-- title.en: Visits looked at
-- What cannot be is named and counts nowhere: of somebody who is not in care, before or after the care, in the future.
SELECT v.visit, v.person, v.worker, v.day, v.outcome, v.help, c.place,
    CASE WHEN c.person IS NULL THEN '不在册' WHEN v.day < c.since THEN '早于纳入日期' WHEN c.until IS NOT NULL AND v.day > c.until THEN '晚于退出日期' WHEN v.day > a.day THEN '晚于截至日' END AS fault
FROM community_visits AS v LEFT JOIN care AS c ON c.person = v.person, as_of AS a
