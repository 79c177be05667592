-- Budgets by year of the policy (样例): the figures of that year decide, and it is paid in the year after.
WITH said(policy, title, title_en, department, grp, budget, priority, way, later) AS (VALUES
    ('P01', '研发投入奖补', 'Research', '3308-kjj', 'research', 2600.0, 'research', '免申即享', 1),
    ('P02', '高企认定奖励', 'New high-tech', '3308-kjj', 'research', 1500.0, 'credit', '免申即享', 1),
    ('P03', '“小巨人”奖励', 'Little giants', '3308-jxj', 'titles', 400.0, 'credit', '免申即享', 1),
    ('P04', '专精特新奖励', 'Specialised', '3308-jxj', 'titles', 400.0, 'credit', '免申即享', 1),
    ('P05', '首超 2000 万奖励', 'Past 20 million', '3308-jxj', 'growth', 200.0, 'credit', '申报', 1),
    ('P06', '制造业增长奖励', 'Fast growth', '3308-jxj', 'growth', 900.0, 'growth', '申报', 1),
    ('P07', '数字化改造补助', 'Going digital', '3308-dsj', 'digital', 1200.0, 'small', '申报', 1),
    ('P08', '小微贷款贴息', 'Loan interest', '3308-jrb', 'finance', 300.0, 'small', '免申即享', 1),
    ('P09', '扩岗补助', 'New jobs', '3308-rsj', 'jobs', 500.0, 'small', '申报', 1),
    ('P10', '初创科技补助', 'Start-ups', '3308-kjj', 'research', 160.0, 'credit', '申报', 1),
    ('P11', '山区制造补助', 'Mountain counties', '3308-jxj', 'growth', 260.0, 'growth', '申报', 1),
    ('P12', '住餐纾困（已到期）', 'Relief (over)', '3308-swj', 'jobs', 200.0, 'small', '申报', 0)
)
SELECT policy, year, title, title_en, department, grp, budget * CASE WHEN year < 2025 THEN 1.8 ELSE 1 END AS budget, priority, way,
    make_date(year + 1, 1, 1) AS begins, CASE WHEN later = 0 THEN make_date(year + 1, 6, 30) WHEN year = 2025 THEN DATE '2030-12-31' ELSE make_date(year + 1, 12, 31) END AS ends
FROM said, range(2022, 2026) AS years(year)
