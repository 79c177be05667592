-- title.zh: 只差一项
-- title.en: But one condition lacks
-- Policies in force of which an enterprise meets all conditions but one: `near` where a figure lacks a quarter of its limit at most (ours, a proposal) and the year is not over, `one` for others (another trade, no title);
-- and `unknown`, where nothing is unmet but a figure is missing.
SELECT e.firm, e.name, e.industry, e.county, p.policy, p.title, coalesce(p.title_en, p.title) AS title_en, e.rule, e.unmet, e.unsure, e.short, CASE WHEN e.unmet = 0 THEN 'unknown' WHEN e.short <= 0.25 AND NOT starts_with(e.missing, '上年') THEN 'near' ELSE 'one' END AS kind,
    CASE WHEN e.unmet = 1 THEN e.missing ELSE '缺数：' || e.unknown END AS lacks, CASE WHEN e.unmet = 1 THEN e.missing_en ELSE 'figure missing: ' || e.unknown_en END AS lacks_en, round(e.amount, 2) AS amount
FROM entitlements AS e JOIN firm_policies AS p ON p.policy = e.policy AND p.year = (SELECT year FROM policy_year)
WHERE p.begins <= city_today() AND p.ends >= city_today() AND ((e.unmet = 1 AND e.unsure = 0 AND NOT starts_with(e.missing, '期限')) OR (e.unmet = 0 AND e.unsure > 0))
    AND NOT EXISTS (SELECT 1 FROM entitlements AS o WHERE o.firm = e.firm AND o.policy = e.policy AND o.hit)
