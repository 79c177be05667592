-- Five weeks of quarter hours (样例): three shifts, one shift, day work, cold storage; some readings are missing, some jump, some users change their level.
WITH slots AS (SELECT TIMESTAMP '2026-10-19 00:00:00' + INTERVAL 15 MINUTE * s AS begins FROM range(35 * 96) AS rows(s)),
shaped AS (
    SELECT m.meter, s.begins, m.capacity, (hash(m.meter) % 1000) / 1000.0 AS u, (hash(m.meter, s.begins) % 1000) / 1000.0 AS noise, hour(s.begins) + minute(s.begins) / 60.0 AS h, isodow(s.begins) >= 6 AS weekend,
        CASE m.industry WHEN '电子材料' THEN 0.62 + 0.05 * sin(hour(s.begins) / 3.8) WHEN '化工' THEN 0.70
            WHEN '机械' THEN 0.12 + CASE WHEN isodow(s.begins) < 6 AND hour(s.begins) BETWEEN 8 AND 17 AND hour(s.begins) <> 12 THEN 0.5 ELSE 0.02 END
            ELSE 0.28 + 0.14 * sin((hour(s.begins) - 9) / 3.82) END AS shape
    FROM energy_meters AS m, slots AS s
)
SELECT meter, begins, round(capacity * 0.8 * shape * (0.85 + 0.3 * u) * (0.96 + 0.08 * noise)
    * CASE WHEN meter IN ('M003', 'M017') AND begins >= TIMESTAMP '2026-11-14' THEN 1.5 ELSE 1 END
    * CASE WHEN hash(meter, begins, 'jump') % 40009 = 0 THEN 6 ELSE 1 END / 4, 2) AS kwh
FROM shaped WHERE NOT (hash(meter, begins::DATE) % 331 = 0 AND hour(begins) BETWEEN 2 AND 5)
