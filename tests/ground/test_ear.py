"""Listening to PostgreSQL: what is notified is heard at once, and whoever closes ends the waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.ear import Ear

LONG = 3600.0


@pytest.fixture
def listening(city: City) -> Iterator[Connection]:
    with city.db.own_connection() as conn:
        conn.execute("LISTEN news")
        yield conn


def test_what_is_notified_while_one_waits_is_heard(city: City, listening: Connection) -> None:
    ear, heard = Ear(), []
    waiting = threading.Thread(target=lambda: heard.append(ear.hear(listening, LONG)))
    waiting.start()
    with city.db.connection() as conn:
        conn.execute("NOTIFY news")
    waiting.join()
    assert heard == [True]


def test_what_came_along_with_an_answer_is_heard_too(city: City, listening: Connection) -> None:
    with city.db.connection() as conn:
        conn.execute("NOTIFY news")
    listening.execute("SELECT 1")
    ear = Ear()
    assert ear.hear(listening, LONG)
    assert not ear.hear(listening, 0)


def test_whoever_closes_it_ends_the_waiting(listening: Connection) -> None:
    ear, heard = Ear(), []
    waiting = threading.Thread(target=lambda: heard.append(ear.hear(listening, LONG)))
    waiting.start()
    ear.close()
    waiting.join()
    assert heard == [False] and ear.closed
    assert not ear.hear(listening, LONG)
    ear.rest(LONG)


def test_a_connection_that_is_lost_while_one_waits_is_an_error(city: City, listening: Connection) -> None:
    pid = listening.info.backend_pid
    ending = threading.Timer(0.2, lambda: city.db.one("SELECT pg_terminate_backend(%s)", (pid,)))
    ending.start()
    ear = Ear()
    with pytest.raises(psycopg.OperationalError):
        # The server's last word wakes it; that nothing follows is seen by the next look.
        while True:
            ear.hear(listening, LONG)
    ending.join()
