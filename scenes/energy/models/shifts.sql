-- title.zh: 水平变化
-- title.en: Changes of level
-- The median of a meter's last seven days beside that of the four weeks before; only days of which nothing is missing.
WITH whole AS (SELECT meter, day, kwh, max(day) OVER (PARTITION BY meter) AS newest FROM days WHERE readings = a_day),
middles AS (
    SELECT meter, median(kwh) FILTER (WHERE day > newest - 7) AS now_kwh, median(kwh) FILTER (WHERE day <= newest - 7 AND day > newest - 35) AS before_kwh FROM whole GROUP BY meter
)
SELECT meter, now_kwh, before_kwh, now_kwh / nullif(before_kwh, 0) - 1 AS change FROM middles
