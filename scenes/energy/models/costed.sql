-- title.zh: 每刻钟的电量与电费
-- title.en: Energy and cost of each quarter hour
SELECT r.meter, r.begins, r.begins::DATE AS day, hour(r.begins) * 4 + minute(r.begins) // 15 AS slot, isodow(r.begins) >= 6 AS weekend, r.kwh, r.kwh * 4 AS kw, t.period, r.kwh * t.price AS cost
FROM energy_readings AS r JOIN energy_tariff AS t ON t.hour = hour(r.begins)
