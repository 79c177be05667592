-- title.zh: 叠加之后
-- title.en: After stacking
-- Each policy once a year; of a group that allows the highest only that one (and none where one is paid); of a group with a cap what is left of it, the largest first.
WITH open AS (
    SELECT e.*, g.rule AS group_rule, g.cap, coalesce((SELECT sum(t.amount) FROM taken AS t JOIN firm_policies AS p ON p.policy = t.policy AND p.year = t.year WHERE t.firm = e.firm AND t.year = e.year AND p.grp = e.grp), 0) AS had
    FROM eligible AS e LEFT JOIN firm_policy_groups AS g ON g.grp = e.grp
    WHERE NOT EXISTS (SELECT 1 FROM firm_grants AS f WHERE f.firm = e.firm AND f.policy = e.policy AND f.year = e.year AND f.state <> 'withdrawn')
), placed AS (
    SELECT *, row_number() OVER (PARTITION BY firm, grp ORDER BY amount DESC, policy) AS place, coalesce(sum(amount) OVER (PARTITION BY firm, grp ORDER BY amount DESC, policy ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before FROM open
)
SELECT firm, name, industry, county, size, credit, growth, rnd_share, policy, year, title, title_en, rule, grp, department, way, priority, amount AS full_amount,
    CASE group_rule WHEN 'highest' THEN CASE WHEN had > 0 OR place > 1 THEN 0 ELSE amount END WHEN 'cap' THEN CASE WHEN cap IS NULL THEN 0 ELSE round(greatest(0, least(amount, cap - had - before)), 2) END ELSE 0 END AS amount,
    CASE WHEN group_rule IS NULL OR (group_rule = 'cap' AND cap IS NULL) THEN 'no-group' WHEN group_rule = 'highest' AND (had > 0 OR place > 1) THEN 'lower' WHEN group_rule = 'cap' AND cap - had - before <= 0 THEN 'capped' WHEN group_rule = 'cap' AND amount > cap - had - before THEN 'cut' ELSE 'whole' END AS stacking
FROM placed
