-- title.zh: 地块与品种均值之差
-- title.en: What a plot gives beside its variety's mean
-- The mean difference from the season's mean of the variety, drawn towards zero where seasons are few: n / (n + 2); the 2 is a proposal.
SELECT h.plot, h.crop, count(*) AS n, avg(h.kg_mu - v.kg_mu) * count(*) / (count(*) + 2) AS effect FROM history AS h JOIN variety_seasons AS v ON v.variety = h.variety AND v.season = h.season GROUP BY h.plot, h.crop
