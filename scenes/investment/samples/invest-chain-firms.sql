-- Some 330 firms (样例): many in some links, none in five of them.
SELECT printf('CF%03d', row_number() OVER (ORDER BY l.link, i)) AS firm, l.link, ['柯城区', '柯城区', '衢江区', '龙游县', '江山市', '常山县', '开化县'][1 + (hash(l.link, i, 'c') % 7)::INTEGER] AS county,
    round(0.15 + pow((hash(l.link, i, 'o') % 1000) / 1000.0, 4) * 8, 2) AS output, round(0.1 + (hash(l.link, i, 's') % 60) / 100.0, 2) AS local_share
FROM invest_links AS l, range(30) AS r(i)
WHERE l.link NOT IN ('IC03', 'IC04', 'WL01', 'LB05', 'DS02') AND i < 1 + hash(l.link, 'n') % 26
