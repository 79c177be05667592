-- title.zh: 基荷
-- title.en: Base load
-- What is never switched off: the tenth percentile of all readings. A meter that nobody has described is here all the same.
SELECT c.meter, coalesce(m.name, c.meter) AS name, replace(coalesce(m.name, c.meter), '样例用户', 'Sample user') AS name_en, m.industry, m.county, m.capacity, quantile_cont(c.kw, 0.1) AS base_kw, avg(c.kw) AS mean_kw, max(c.kw) AS peak_kw, avg(c.kw) / nullif(max(c.kw), 0) AS load_factor
FROM costed AS c LEFT JOIN energy_meters AS m ON m.meter = c.meter GROUP BY c.meter, m.name, m.industry, m.county, m.capacity
