-- title.zh: 可享受的政策
-- title.en: What enterprises are entitled to
-- Rules that are met, of policies that are in force today and do not contradict themselves. Where two versions of a policy are met at once (a rule says so) the smaller amount counts.
SELECT e.firm, e.name, e.industry, e.county, e.size, e.credit, e.growth, e.rnd_share, p.policy, p.year, p.title, coalesce(p.title_en, p.title) AS title_en, e.rule, p.grp, p.department, p.way, p.priority, round(e.amount, 2) AS amount
FROM entitlements AS e JOIN firm_policies AS p ON p.policy = e.policy AND p.year = (SELECT year FROM policy_year)
WHERE e.hit AND e.amount > 0 AND p.begins <= city_today() AND p.ends >= city_today() AND p.begins <= p.ends
QUALIFY row_number() OVER (PARTITION BY e.firm, e.policy ORDER BY e.amount, e.rule) = 1
