-- title.zh: 截至
-- title.en: As of
-- The newest interval that a fifth of the detectors have reported: one clock that jumped moves nothing. The fifth is a proposal.
SELECT max(begins) AS at, max(begins)::DATE AS day FROM (SELECT begins, count(*) AS n FROM traffic_counts GROUP BY begins) AS told WHERE n >= 0.2 * (SELECT count(*) FROM traffic_detectors)
