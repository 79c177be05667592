-- title.zh: 最新时刻
-- title.en: The newest moment
-- By the trucks' own clocks (those ahead of ours are not folded in): what is late or recent is so beside the others, not beside a broken line.
SELECT max(moment) AS moment FROM truck_now
