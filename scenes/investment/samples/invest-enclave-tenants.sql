-- 2,230 tenants since 2014 (样例), as many as the documents say; a fifth moved out, a quarter of them produce at home by now.
SELECT printf('T%04d', i + 1) AS tenant, ['F1', 'F1', 'F1', 'F2', 'F2', 'F3', 'F4', 'F5', 'F6', 'F6'][1 + (hash(i, 'e') % 10)::INTEGER] AS enclave, ['软件信息', '生物医药', '电子材料', '智能制造', '数字文创'][1 + (hash(i, 'f') % 5)::INTEGER] AS field,
    DATE '2014-06-01' + (4500 * sqrt((hash(i, 's') % 1000) / 1000.0))::INTEGER AS since, CASE WHEN hash(i, 'u') % 5 = 0 THEN DATE '2014-06-01' + (4500 * sqrt((hash(i, 's') % 1000) / 1000.0))::INTEGER + 400 END AS until,
    CASE WHEN hash('at home ' || i) % 4 = 0 THEN ['柯城区', '柯城区', '衢江区', '龙游县', '江山市', '常山县', '开化县'][1 + (hash(i, 'c') % 7)::INTEGER] END AS at_home
FROM range(2230) AS r(i)
