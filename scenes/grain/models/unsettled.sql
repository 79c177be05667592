-- title.zh: 没有了结的疑点
-- title.en: Suspicions that are not settled
-- Less those whose case said that it was a mistake (of what had been seen by then), or that the field was restored after it was seen last.
-- A lawful approval does not bring the subsidy back: the land is no field (财农〔2016〕26号).
SELECT s.* FROM suspicions AS s
WHERE NOT EXISTS (SELECT 1 FROM grain_uses AS u WHERE u.plot = s.plot AND u.closed IS NOT NULL AND ((u.verdict = 'mistake' AND CAST(u.opened AS DATE) >= s.since) OR (u.proof = 'restored' AND CAST(u.closed AS DATE) >= s.seen)))
