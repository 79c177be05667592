-- Figures of 2021 to 2025 (样例). Who spends 4 % and more on research and was supported (every other year by chance, as in firm-grants.sql)
-- sold some 5 % more in the year after; nothing else sets them apart, so that the analysis of effects has something to find.
WITH born AS (
    SELECT firm, industry, founded, credit, (hash(firm, 'size') % 10000) / 10000.0 AS u, (hash(firm, 'rnd') % 1000) / 1000.0 AS q, CASE industry WHEN '软件和信息技术服务业' THEN 45.0 WHEN '工业' THEN 85.0 WHEN '批发业' THEN 220.0 WHEN '建筑业' THEN 60.0 ELSE 40.0 END AS per_head
    FROM firm_register
), shaped AS (
    SELECT *, 3 + pow(10, 3.2 * pow(u, 2.2)) AS heads, CASE WHEN industry IN ('工业', '软件和信息技术服务业', '信息传输业') THEN CASE WHEN q < 0.35 THEN 0 WHEN q < 0.65 THEN 0.006 + 0.03 * q ELSE 0.042 + 0.06 * (q - 0.65) END ELSE 0 END AS share FROM born
), years AS (
    SELECT s.*, y AS year, ((hash(s.firm, y, 'g') % 1000 + hash(s.firm, y, 'h') % 1000 + hash(s.firm, y, 'k') % 1000)::INTEGER - 1500) / 1000.0 * 0.11 AS noise,
        CASE WHEN y > 2021 THEN 0.055 + CASE industry WHEN '工业' THEN 0.02 WHEN '房地产开发经营' THEN -0.1 ELSE 0 END END AS trend,
        CASE WHEN y > 2022 AND share >= 0.042 AND credit IN ('A', 'B') AND hash(s.firm, y - 1, 'lot') % 2 = 0 THEN 0.05 ELSE 0 END AS helped, hash(s.firm, y, 'lost') % 1000 AS lost
    FROM shaped AS s, range(2021, 2026) AS r(y)
), grown AS (
    SELECT *, exp(sum(coalesce(trend, 0) + noise + helped) OVER (PARTITION BY firm ORDER BY year)) AS factor, exp(0.5 * sum(coalesce(trend, 0) - 0.02 + noise) OVER (PARTITION BY firm ORDER BY year)) AS crowd FROM years WHERE founded <= make_date(year, 6, 30)
)
-- Some figures were not told: they are empty. A few enterprises fell by more than a third in the last year.
SELECT firm, year, CASE WHEN lost NOT BETWEEN 0 AND 5 THEN round(heads * crowd)::INTEGER END AS employees,
    CASE WHEN lost NOT BETWEEN 6 AND 11 THEN round(heads * per_head * factor * CASE WHEN year = 2025 AND hash(firm, 'fell') % 60 = 0 THEN 0.55 ELSE 1 END, 2) END AS revenue,
    CASE WHEN lost NOT BETWEEN 12 AND 20 THEN round(heads * per_head * factor * (0.6 + (hash(firm, 'assets') % 100) / 80.0), 2) END AS assets,
    CASE WHEN lost NOT BETWEEN 18 AND 38 THEN round(heads * per_head * factor * share, 2) END AS rnd,
    CASE WHEN hash(firm, year, 'digital') % 9 = 0 THEN round(20 + heads * (hash(firm, 'd') % 30) / 20.0, 2) ELSE 0 END AS digital,
    CASE WHEN hash(firm, 'loan') % 4 = 0 THEN round(1 + sqrt(heads) * (hash(firm, year, 'l') % 20) / 10.0, 2) ELSE 0 END AS loan,
    round(heads * per_head * factor * (0.02 + (hash(firm, 'tax') % 40) / 1000.0), 2) AS tax
FROM grown
