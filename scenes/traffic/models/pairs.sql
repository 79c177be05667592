-- title.zh: 成对检测器
-- title.en: Pairs of detectors
-- The California algorithm (Payne and Tignor 1978): occupancy upstream above that at the stop line by 15 points and by half, with the speed upstream below
-- half of what it usually is at that time of day or below 10 km/h (where nothing moves radars tell no speed). Twice in a row is an incident. The limits are proposals.
WITH sound AS (
    SELECT approach, begins, max(volume) FILTER (WHERE spot = '上游') AS volume_up, max(speed) FILTER (WHERE spot = '上游') AS speed_up, max(occupancy) FILTER (WHERE spot = '上游') AS occ_up,
        max(volume) FILTER (WHERE spot = '停车线') AS volume_down, max(occupancy) FILTER (WHERE spot = '停车线') AS occ_down
    FROM counts_judged WHERE fault IS NULL GROUP BY approach, begins
), usual AS (SELECT approach, hour(begins) AS h, median(speed_up) AS speed FROM sound GROUP BY 1, 2),
signs AS (
    SELECT s.*, u.speed AS usual_speed, s.occ_up - s.occ_down >= 15 AND s.occ_up - s.occ_down >= 0.5 * s.occ_up AND coalesce(s.speed_up, 0) < greatest(0.5 * u.speed, 10) AS sign
    FROM sound AS s JOIN usual AS u ON u.approach = s.approach AND u.h = hour(s.begins)
)
SELECT approach, begins, volume_up, volume_down, speed_up, usual_speed, occ_up, occ_down, coalesce(sign, FALSE) AS sign,
    coalesce(sign AND lag(sign) OVER (PARTITION BY approach ORDER BY begins) AND begins - lag(begins) OVER (PARTITION BY approach ORDER BY begins) <= INTERVAL 10 MINUTE, FALSE) AS twice
FROM signs
