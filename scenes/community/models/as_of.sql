-- title.zh: 截至
-- title.en: As of
-- The newest day that has at least a tenth of the rows of a usual day: a visit or a clock in the future moves nothing. The tenth is a proposal.
WITH days AS (SELECT day, count(*) AS n FROM (SELECT day FROM community_visits UNION ALL SELECT happened::DATE AS day FROM community_signals) AS d GROUP BY day),
newest AS (SELECT max(day) AS day FROM days WHERE n >= 0.1 * (SELECT median(n) FROM days))
SELECT n.day, coalesce((SELECT max(happened) FROM community_signals WHERE happened < (SELECT day FROM newest) + INTERVAL 1 DAY), n.day + INTERVAL 1 DAY) AS at FROM newest AS n
