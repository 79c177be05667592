SELECT u.unit || '-L' || (n + 1) AS loop, u.unit, (hash(u.unit, n) % 100)::INTEGER < 88 AS starts_auto FROM dcs_units AS u, range(6) AS loops(n)
