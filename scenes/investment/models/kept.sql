-- title.zh: 承诺与履约
-- title.en: Promised and delivered
-- Capital is due when the works should be built, output and tax a year after full output should be reached. Of what is due: capital 40, output 30, tax 30 of 100; below 60 % a clawback of support in the share that lacks is proposed (ours: a proposal; each contract has its own).
WITH came AS (
    SELECT project, sum(capital_in) AS capital_in, max(output) FILTER (WHERE year = newest) AS output, max(tax) FILTER (WHERE year = newest) AS tax, max(newest) AS year FROM (SELECT d.*, max(year) OVER (PARTITION BY project) AS newest FROM invest_delivery AS d) AS told GROUP BY project
), due AS (
    SELECT a.project, a.name, a.name_en, a.county, a.county_code, a.worth, a.promised_output, a.promised_tax, a.support, c.capital_in, c.output, c.tax, c.year, b.due <= make_date(c.year, 12, 31) AS capital_due, f.due <= make_date(c.year - 1, 12, 31) AS output_due
    FROM amounts AS a JOIN came AS c ON c.project = a.project LEFT JOIN invest_milestones AS b ON b.project = a.project AND b.seq = 4 LEFT JOIN invest_milestones AS f ON f.project = a.project AND f.seq = 6 WHERE a.standing = 'counted'
), shares AS (
    SELECT *, 100.0 * capital_in / nullif(worth, 0) AS capital_share, CASE WHEN output_due THEN 100.0 * output / nullif(promised_output, 0) END AS output_share, CASE WHEN output_due THEN 100.0 * tax / nullif(promised_tax, 0) END AS tax_share FROM due
), judged AS (
    SELECT *, CASE WHEN output_due THEN 0.4 * CASE WHEN capital_share > 100 THEN 100 ELSE capital_share END + 0.3 * CASE WHEN output_share > 100 THEN 100 ELSE output_share END + 0.3 * CASE WHEN tax_share > 100 THEN 100 ELSE tax_share END
        WHEN capital_due THEN CASE WHEN capital_share > 100 THEN 100 ELSE capital_share END END AS reached FROM shares
)
SELECT *, CASE WHEN output_due AND support > 0 AND reached < 60 THEN round(support * (1 - reached / 100), 2) END AS clawback FROM judged
