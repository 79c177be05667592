-- What came, by year (样例): capital over three years, output and tax after production began; some stay far below what they promised.
WITH reached AS (
    SELECT p.project, p.signed, least(p.investment, 400000) AS investment, p.promised_output, p.promised_tax, m.done AS produced, CASE hash(p.project, 'keeps') % 6 WHEN 0 THEN 0.35 WHEN 1 THEN 0.6 WHEN 2 THEN 1.15 ELSE 0.9 END AS keeps
    FROM invest_projects AS p LEFT JOIN invest_milestones AS m ON m.project = p.project AND m.seq = 5 WHERE p.left_on IS NULL AND p.project < 'XM169'
)
SELECT project, y AS year, round(investment * keeps * CASE y - year(signed) WHEN 0 THEN 0.2 WHEN 1 THEN 0.4 WHEN 2 THEN 0.35 WHEN 3 THEN 0.05 ELSE 0 END, 1) AS capital_in,
    CASE WHEN year(produced) < y THEN round(promised_output * keeps * least(1, 0.5 + 0.25 * (y - year(produced))) * (0.92 + (hash(project, y) % 16) / 100.0), 1) ELSE 0 END AS output,
    CASE WHEN year(produced) < y THEN round(promised_tax * keeps * least(1, 0.4 + 0.3 * (y - year(produced))) * (0.9 + (hash(project, y, 't') % 20) / 100.0), 1) ELSE 0 END AS tax
FROM reached, range(2021, 2027) AS r(y) WHERE y >= year(signed) AND y <= 2025
