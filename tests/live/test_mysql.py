"""A table of a real MariaDB, followed by its binlog: what it holds and every change, each once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from sanqu.ground.city import City
from sanqu.lines.live.standing import standing_of
from tests.live.conftest import READINGS, Flow, make_line, rows, until
from tests.servers import mariadb_server

BOATS = {
    **READINGS,
    "name": "boats",
    "fields": [*READINGS["fields"], {"name": "price", "type": "number"}, {"name": "day", "type": "date"}],
}
COLUMNS = 'id, station, value, "at", price, day'


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with mariadb_server("--log-bin=b", "--binlog-format=ROW", "--binlog-row-image=FULL", "--server-id=1") as port:
        yield port


@pytest.fixture
def source(server: int) -> Iterator[Any]:
    with pymysql.connect(host="127.0.0.1", port=server, user="root", password="", autocommit=True) as conn, conn.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS harbour")
        cursor.execute("CREATE DATABASE harbour CHARACTER SET utf8mb4")
        cursor.execute("USE harbour")
        cursor.execute("CREATE TABLE boats (id INT PRIMARY KEY, station VARCHAR(20), value DOUBLE, at DATETIME(3), price DECIMAL(10,2), day DATE)")
        held = [(n, f"船{n}", n / 2, "2026-01-01 08:00:00.250", "1.50", "2026-01-01") for n in range(500)]
        cursor.executemany("INSERT INTO boats VALUES (%s,%s,%s,%s,%s,%s)", held)
        yield cursor


@pytest.fixture
def followed(city: City, source: Any, server: int) -> City:
    make_line(city, BOATS, source={"kind": "mysql", "url": f"mysql://root:@127.0.0.1:{server}/harbour", "table": "boats"})
    return city


def same(city: City, source: Any) -> bool:
    source.execute("SELECT id, station, value, at, CAST(price AS DOUBLE), day FROM boats ORDER BY id")
    return rows(city, "boats", COLUMNS) == list(source.fetchall())


def test_what_the_table_holds_is_loaded_and_every_change_follows(followed: City, flow: Flow, source: Any) -> None:
    until(lambda: len(rows(followed, "boats")) == 500)
    assert same(followed, source)
    source.execute("INSERT INTO boats VALUES (9000, '新船', 1.25, '2026-11-26 08:00:00', 99.99, '2026-11-26')")
    source.execute("UPDATE boats SET value = value + 1 WHERE id < 10")
    source.execute("DELETE FROM boats WHERE id BETWEEN 10 AND 19")
    source.execute("UPDATE boats SET id = 8000 WHERE id = 30")
    until(lambda: same(followed, source))
    assert standing_of(followed, "boats").state == "flowing"


def test_a_rest_in_the_middle_of_transactions_misses_and_doubles_nothing(city: City, followed: City, source: Any) -> None:
    for round_ in range(2):
        flow = Flow(city)
        flow.start()
        until(lambda: standing_of(city, "boats").state == "flowing")
        for n in range(20):
            source.execute("BEGIN")
            source.execute("INSERT INTO boats SELECT id + 10000 * (%s), station, value, at, price, day FROM boats WHERE id < 100", (round_ * 20 + n + 1,))
            source.execute("UPDATE boats SET value = %s WHERE id %% 7 = 0", (n,))
            source.execute("COMMIT")
            if n == 10:
                flow.stop()
    again = Flow(city)
    again.start()
    until(lambda: same(city, source))
    again.stop()


def test_a_truncated_table_is_an_empty_dataset(followed: City, flow: Flow, source: Any) -> None:
    until(lambda: len(rows(followed, "boats")) == 500)
    source.execute("TRUNCATE TABLE boats")
    source.execute("INSERT INTO boats (id, station) VALUES (1, 'first')")
    until(lambda: rows(followed, "boats", "id, station") == [(1, "first")])


def test_a_source_that_keeps_no_log_of_rows_is_told_what_to_set(city: City, flow: Flow) -> None:
    with mariadb_server() as port, pymysql.connect(host="127.0.0.1", port=port, user="root", password="") as conn, conn.cursor() as cursor:
        cursor.execute("CREATE DATABASE harbour")
        make_line(city, BOATS, source={"kind": "mysql", "url": f"mysql://root:@127.0.0.1:{port}/harbour", "table": "boats"})
        stopped = until(lambda: (s := standing_of(city, "boats")).cause and s)
        assert (stopped.cause["code"], stopped.cause["facts"]["setting"]) == ("live.binlog", "log_bin")
