-- title.zh: 进度怎么说
-- title.en: Words for standings
SELECT standing, said FROM (VALUES ('reached', '已达到'), ('on-track', '符合进度'), ('lagging', '略落后'), ('at-risk', '有风险'), ('unknown', '没有新数')) AS s(standing, said)
