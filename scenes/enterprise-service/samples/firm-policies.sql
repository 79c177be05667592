-- Budgets by year of the policy (样例): the figures of that year decide, and it is paid in the year after.
WITH said(policy, title, title_en, department, grp, budget, priority, way, later) AS (VALUES
    ('P01', '研发投入奖补', 'Award for research', '3308-kjj', 'research', 2600.0, 'research', '免申即享', 1),
    ('P02', '高新技术企业认定奖励', 'Award for new high-tech enterprises', '3308-kjj', 'research', 1500.0, 'credit', '免申即享', 1),
    ('P03', '专精特新“小巨人”奖励', 'Award for little giants', '3308-jxj', 'titles', 400.0, 'credit', '免申即享', 1),
    ('P04', '专精特新中小企业奖励', 'Award for specialised enterprises', '3308-jxj', 'titles', 300.0, 'credit', '免申即享', 1),
    ('P05', '营收首超 2000 万元奖励', 'Award for passing 20 million yuan', '3308-jxj', 'growth', 200.0, 'credit', '申报', 1),
    ('P06', '制造业快速增长奖励', 'Award for fast growth in manufacturing', '3308-jxj', 'growth', 900.0, 'growth', '申报', 1),
    ('P07', '数字化改造补助', 'Support for going digital', '3308-dsj', 'digital', 1200.0, 'small', '申报', 1),
    ('P08', '小微企业贷款贴息', 'Interest on loans of small enterprises', '3308-jrb', 'finance', 300.0, 'small', '免申即享', 1),
    ('P09', '扩岗补助', 'Support for new jobs', '3308-rsj', 'jobs', 500.0, 'small', '申报', 1),
    ('P10', '初创科技企业启动补助', 'Support for young technology enterprises', '3308-kjj', 'research', 160.0, 'credit', '申报', 1),
    ('P11', '山区县制造业培育补助', 'Manufacturing in mountain counties', '3308-jxj', 'growth', 260.0, 'growth', '申报', 1),
    ('P12', '困难行业纾困补助（已到期）', 'Relief for trades in difficulty (over)', '3308-swj', 'jobs', 200.0, 'small', '申报', 0)
)
SELECT policy, year, title, title_en, department, grp, budget * CASE WHEN year < 2025 THEN 1.8 ELSE 1 END AS budget, priority, way,
    make_date(year + 1, 1, 1) AS begins, CASE WHEN later = 0 THEN make_date(year + 1, 6, 30) WHEN year = 2025 THEN DATE '2030-12-31' ELSE make_date(year + 1, 12, 31) END AS ends
FROM said, range(2022, 2026) AS years(year)
