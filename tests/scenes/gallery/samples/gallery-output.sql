SELECT i AS id, list_extract(['柯城区', '衢江区', '龙游县', '江山市', '常山县', '开化县'], 1 + (i % 6)::INTEGER) AS county,
    list_extract(['制造', '服务', '应用', '要素驱动'], 1 + ((i // 6) % 4)::INTEGER) AS class,
    make_date(2025, 1 + ((i // 24) % 12)::INTEGER, 1) AS month,
    round(200 + 30 * (i % 6) + 18 * ((i // 24) % 12) + (hash(i) % 1000) / 12.0, 1) AS value, (20 + hash(i + 7) % 80)::BIGINT AS staff
FROM range(576) AS rows(i)
