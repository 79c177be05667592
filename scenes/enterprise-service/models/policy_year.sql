-- title.zh: 政策年度
-- title.en: The year of the policies
-- The newest year of which half of the enterprises and more have told their figures: they decide, and are paid for in the year after.
SELECT max(year) AS year FROM (SELECT year, count(*) AS told FROM firm_years GROUP BY year) AS years WHERE told * 2 >= (SELECT count(*) FROM firm_register)
