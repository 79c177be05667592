-- 352 drivers; their names are numbers, nobody's.
SELECT printf('D%03d', i + 1) AS driver, printf('E%02d', 1 + i % 37) AS enterprise, printf('驾驶员 %03d', i + 1) AS name FROM range(352) AS rows(i)
