-- 433 trucks, each with a terminal (a SIM number of a range that is not given out), a driver of its enterprise and a route; plates are made up.
SELECT printf('浙H样%03d', i + 1) AS truck, printf('10648%06d', i + 1) AS terminal, printf('E%02d', 1 + i % 37) AS enterprise, printf('D%03d', 1 + i % 352) AS driver, printf('R%d', 1 + i % 6) AS route
FROM range(433) AS rows(i)
