"""A table of a real PostgreSQL, followed: what it holds and every change, each once, in order, whatever happens in between."""

from __future__ import annotations

import psycopg
import pytest

from sanqu.ground.city import City
from sanqu.lines.live.standing import say_flowing, set_state, standing_of
from sanqu.lines.quarantine import list_quarantine
from tests.conftest import database_url
from tests.live.conftest import READINGS, Flow, make_line, rows, until

WELLS = {
    **READINGS,
    "name": "wells",
    "fields": [*READINGS["fields"], {"name": "note", "type": "string"}],
}


@pytest.fixture
def source(source_database: psycopg.Connection) -> psycopg.Connection:
    """Another department's database, with a thousand wells."""
    source_database.execute("CREATE TABLE wells (id int PRIMARY KEY, station text NOT NULL, value float8, at timestamp, note text)")
    source_database.execute("INSERT INTO wells SELECT n, 's' || n, n, '2026-01-01', NULL FROM generate_series(1, 1000) n")
    return source_database


@pytest.fixture
def url(source: psycopg.Connection, postgres: str) -> str:
    return database_url(postgres, source.info.dbname)


def same(city: City, source: psycopg.Connection) -> bool:
    """Whether the dataset holds just what the table holds."""
    there = source.execute("SELECT id, station, value, at, note FROM wells ORDER BY id").fetchall()
    return rows(city, "wells", 'id, station, value, "at", note') == there


@pytest.fixture
def followed(city: City, source: psycopg.Connection, url: str) -> City:
    make_line(city, WELLS, source={"kind": "postgres", "url": url, "table": "wells"})
    return city


def test_what_the_table_holds_is_loaded_and_every_change_follows(followed: City, flow: Flow, source: psycopg.Connection) -> None:
    until(lambda: len(rows(followed, "wells")) == 1000)
    source.execute("INSERT INTO wells VALUES (2000, 'new', 1.5, '2026-11-26 08:00:00.25', '柑橘')")
    source.execute("UPDATE wells SET value = value + 1 WHERE id <= 10")
    source.execute("DELETE FROM wells WHERE id BETWEEN 11 AND 20")
    source.execute("UPDATE wells SET id = 3000 WHERE id = 30")
    until(lambda: same(followed, source))
    assert standing_of(followed, "wells").state == "flowing"


def test_a_table_that_is_empty_yet_is_followed_from_its_first_row(city: City, source: psycopg.Connection, followed: City) -> None:
    source.execute("TRUNCATE wells")
    flow = Flow(city)
    flow.start()
    until(lambda: standing_of(followed, "wells").state == "flowing")
    source.execute("INSERT INTO wells VALUES (1, 'a', 1, NULL, NULL)")
    until(lambda: same(followed, source))
    flow.stop()


def test_whoever_carries_a_line_does_not_say_that_it_flows_while_it_is_loaded(followed: City) -> None:
    # The load waits until it is let go, and it is let go because of its state.
    set_state(followed, "wells", "loading")
    say_flowing(followed, "wells")
    assert standing_of(followed, "wells").state == "loading"
    set_state(followed, "wells", "waiting")
    say_flowing(followed, "wells")
    assert standing_of(followed, "wells").state == "flowing"


def test_changes_of_one_key_in_one_transaction_end_as_they_end_at_the_source(followed: City, flow: Flow, source: psycopg.Connection) -> None:
    until(lambda: len(rows(followed, "wells")) == 1000)
    with source.transaction():
        source.execute("DELETE FROM wells WHERE id = 1")
        source.execute("INSERT INTO wells VALUES (1, 'again', 0, NULL, NULL)")
        source.execute("UPDATE wells SET value = 5 WHERE id = 1")
        source.execute("INSERT INTO wells VALUES (5000, 'gone', 0, NULL, NULL)")
        source.execute("DELETE FROM wells WHERE id = 5000")
    until(lambda: same(followed, source))


def test_large_values_that_did_not_change_stay(followed: City, flow: Flow, source: psycopg.Connection) -> None:
    source.execute("ALTER TABLE wells ALTER COLUMN note SET STORAGE EXTERNAL")
    source.execute("UPDATE wells SET note = repeat('长', 5000) WHERE id = 7")
    until(lambda: len(rows(followed, "wells")) == 1000)
    source.execute("UPDATE wells SET value = 70 WHERE id = 7")
    until(lambda: same(followed, source) and rows(followed, "wells", "id, value")[6] == (7, 70.0))


def test_a_truncated_table_is_an_empty_dataset(followed: City, flow: Flow, source: psycopg.Connection) -> None:
    until(lambda: len(rows(followed, "wells")) == 1000)
    source.execute("TRUNCATE wells")
    source.execute("INSERT INTO wells VALUES (1, 'first', 1, NULL, NULL)")
    until(lambda: rows(followed, "wells", "id, station") == [(1, "first")])


def test_a_row_that_does_not_fit_is_quarantined_and_the_others_follow(followed: City, flow: Flow, source: psycopg.Connection) -> None:
    until(lambda: len(rows(followed, "wells")) == 1000)
    source.execute("INSERT INTO wells VALUES (2000, 'bad', -1, NULL, NULL), (2001, 'good', 1, NULL, NULL)")
    until(lambda: any(row[0] == 2001 for row in rows(followed, "wells")))
    (refused,) = until(lambda: list_quarantine(followed, line="wells"))
    assert (refused.items["id"], refused.faults[0].rule) == ("2000", "minimum")


def test_the_slot_survives_a_rest_and_nothing_is_missed(city: City, followed: City, source: psycopg.Connection) -> None:
    first = Flow(city)
    first.start()
    until(lambda: len(rows(city, "wells")) == 1000)
    first.stop()
    source.execute("INSERT INTO wells SELECT n, 'rest', n, NULL, NULL FROM generate_series(2000, 4999) n")
    source.execute("DELETE FROM wells WHERE id < 100")
    second = Flow(city)
    second.start()
    until(lambda: same(city, source))
    second.stop()


def test_a_column_that_is_gone_stops_the_line_with_the_reason_and_a_match_lets_it_go_on(
    city: City, followed: City, flow: Flow, source: psycopg.Connection, url: str
) -> None:
    until(lambda: len(rows(city, "wells")) == 1000)
    source.execute("ALTER TABLE wells RENAME COLUMN station TO place")
    source.execute("INSERT INTO wells VALUES (2000, 'renamed', 1, NULL, NULL)")
    stopped = until(lambda: (s := standing_of(city, "wells")).state == "stopped" and s)
    assert stopped.cause["code"] == "live.columns"
    assert stopped.cause["facts"]["item"] == "station"
    make_line(city, WELLS, source={"kind": "postgres", "url": url, "table": "wells"}, columns={"place": "station"})
    until(lambda: (2000, "renamed") in rows(city, "wells", "id, station"))
    assert standing_of(city, "wells").state == "flowing"


def test_a_lost_slot_loads_the_table_anew_in_one_piece(city: City, followed: City, source: psycopg.Connection) -> None:
    first = Flow(city)
    first.start()
    until(lambda: len(rows(city, "wells")) == 1000)
    first.stop()
    until(lambda: source.execute("SELECT count(*) FROM pg_replication_slots WHERE database = current_database() AND active").fetchone() == (0,))
    source.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()")
    source.execute("DELETE FROM wells WHERE id < 500")
    second = Flow(city)
    second.start()
    until(lambda: same(city, source))
    source.execute("INSERT INTO wells VALUES (9000, 'after', 1, NULL, NULL)")
    until(lambda: same(city, source))
    second.stop()


def test_a_table_that_is_not_there_is_named(city: City, flow: Flow, url: str) -> None:
    make_line(city, WELLS, source={"kind": "postgres", "url": url, "table": "nowhere"})
    stopped = until(lambda: (s := standing_of(city, "wells")).cause and s)
    assert stopped.cause["code"] == "live.no-table"
