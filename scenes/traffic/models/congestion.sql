-- title.zh: 拥堵指数
-- title.en: Index of congestion
-- Free-flow time by actual time of all vehicles on all sections, and its inverse; classes by the ratio of speeds (GB/T 33171-2016 城市交通运行状况评价规范,
-- from memory: above 70, 50, 40, 30 % and below). Faster than free flow counts as free flow, slower than 1 km/h as 1 km/h.
-- A section on which nothing passes has no time of travel and is not among them: it is the rule "stopped".
SELECT begins, sum(flow * length_m / free_speed) / sum(flow * length_m / least(greatest(speed, 1), free_speed)) AS ratio, sum(flow * length_m / least(greatest(speed, 1), free_speed)) / sum(flow * length_m / free_speed) AS travel_time_index,
    sum(flow * length_m) / nullif(sum(flow * length_m / least(greatest(speed, 1), free_speed)), 0) AS mean_speed, count(*) AS sections, count(*) FILTER (WHERE class IN ('中度拥堵', '严重拥堵')) AS congested
FROM service WHERE flow > 0 AND ratio IS NOT NULL AND length_m IS NOT NULL GROUP BY begins
