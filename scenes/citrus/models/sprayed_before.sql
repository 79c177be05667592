-- title.zh: 采收前最后一次用药
-- title.en: The last pesticide before each picking
SELECT b.batch, b.plot, b.picked, a.day AS sprayed, a.material, a.interval_days, b.picked - a.day AS days_between
FROM citrus_batches AS b
JOIN citrus_acts AS a ON a.plot = b.plot AND a.kind = '用药' AND a.day <= b.picked
QUALIFY row_number() OVER (PARTITION BY b.batch ORDER BY a.day + coalesce(a.interval_days, 0)::INTEGER DESC, a.act) = 1
