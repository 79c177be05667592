-- title.zh: 异常读数
-- title.en: Odd readings
-- Beside the same time of workdays or weekends: robust z by median and median absolute deviation (Iglewicz and Hoaglin 1993), which is 2 kW or more (a proposal).
WITH middles AS (SELECT meter, slot, weekend, median(kwh) AS middle FROM costed GROUP BY meter, slot, weekend),
away AS (SELECT c.meter, c.begins, c.kwh, m.middle, c.kwh - m.middle AS away FROM costed AS c JOIN middles AS m ON m.meter = c.meter AND m.slot = c.slot AND m.weekend = c.weekend),
spread AS (SELECT a.meter, greatest(median(abs(a.away)), 2 * max(s.hours)) AS mad FROM away AS a JOIN steps AS s ON s.meter = a.meter GROUP BY a.meter)
SELECT a.meter, a.begins, a.kwh, a.middle, 0.6745 * a.away / s.mad AS z FROM away AS a JOIN spread AS s ON s.meter = a.meter
