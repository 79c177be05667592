-- title.zh: 每个读数的功率与电费
-- title.en: Power and cost of each reading
-- Slot: minutes since midnight. kW: kWh by the hours of the meter's step. What lasts longer than an hour has no price: nobody knows in which period it was used.
SELECT r.meter, r.begins, r.begins::DATE AS day, hour(r.begins) * 60 + minute(r.begins) AS slot, s.minutes AS step, isodow(r.begins) >= 6 AS weekend, r.kwh, r.kwh / s.hours AS kw, t.period, r.kwh * t.price AS cost
FROM energy_readings AS r LEFT JOIN steps AS s ON s.meter = r.meter LEFT JOIN energy_tariff AS t ON t.hour = hour(r.begins) AND coalesce(s.minutes, 60) <= 60
