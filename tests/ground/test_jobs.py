"""Background work: asked for in a transaction, done once, retried by nobody's accident."""

from __future__ import annotations

import pytest

from sanqu.ground.city import City
from sanqu.ground.jobs import defer, job, work

DONE: list[object] = []


@job("test.note")
def note(_city: City, what: str) -> None:
    DONE.append(what)


def test_work_that_was_asked_for_is_done_and_what_rolled_back_is_not(city: City) -> None:
    DONE.clear()
    with city.db.connection() as conn:
        defer(conn, "test.note", {"what": "kept"})
    with pytest.raises(RuntimeError), city.db.connection() as conn:
        defer(conn, "test.note", {"what": "rolled back"})
        raise RuntimeError
    work(city, until_idle=True)
    assert DONE == ["kept"]


def test_one_that_waits_is_not_queued_twice(city: City) -> None:
    DONE.clear()
    with city.db.connection() as conn:
        assert defer(conn, "test.note", {"what": "a"}, once="only") is not None
        assert defer(conn, "test.note", {"what": "b"}, once="only") is None
    work(city, until_idle=True)
    assert DONE == ["a"]
