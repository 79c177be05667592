-- title.zh: 有效积温
-- title.en: Growing-degree days
-- GDD of a day = max(0, (Tmax + Tmin) / 2 − base), method 1 of McMaster and Wilhelm, Agricultural and Forest Meteorology 87 (1997) 291–300; base 10 ℃ for rice
-- (≥10 ℃ 有效积温). Days that contradict themselves do not count; `known` counts those that do, so that a hole in the record is seen.
SELECT day, gdd, sum(gdd) OVER (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS upto, row_number() OVER (ORDER BY day) AS known
FROM (SELECT day, greatest(0, (tmax + tmin) / 2 - 10) AS gdd FROM grain_weather WHERE tmax >= tmin AND day <= city_today())
