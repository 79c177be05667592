"""Sealed processes at rest: they give their memory back, the last one later, so that the next asker finds it there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import pytest

from sanqu.ground.city import City
from sanqu.ground.people.askers import PUBLIC
from sanqu.sharing import runner
from sanqu.sharing.door import Question, ask
from tests.live.conftest import until


def engines() -> set[int]:
    """The sealed processes that this process has, those of other tests' cities among them."""
    found = set()
    for child in psutil.Process().children():
        # One may go while it is looked at.
        with suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE and "sealed" in " ".join(child.cmdline()):
                found.add(child.pid)
    return found


def test_of_engines_that_nobody_asks_the_last_one_stays_longest(county: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "IDLE_SECONDS", 1.0)
    monkeypatch.setattr(runner, "LAST_IDLE_SECONDS", 1e9)
    before = engines()
    counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) SELECT max(i) AS most FROM n, shops"
    with ThreadPoolExecutor(2) as askers:
        found = [askers.submit(ask, county, PUBLIC, Question(counting)) for _ in range(2)]
        until(lambda: len(engines() - before) == 2, 30)
        assert [one.result().table.to_pylist() for one in found] == [[{"most": 12000}]] * 2
    until(lambda: len(engines() - before) == 1, 30)
    monkeypatch.setattr(runner, "LAST_IDLE_SECONDS", 0.5)
    until(lambda: not engines() - before, 30)
