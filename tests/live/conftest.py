"""What the tests of live lines share: a city whose lines flow in a thread, contracts, waiting until something is so."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM
from sanqu.lake import Contract, lake_of
from sanqu.lines.keeping import save_line
from sanqu.lines.live.stream import connect
from sanqu.lines.live.traffic import Traffic
from sanqu.lines.records import Line

READINGS: dict[str, Any] = {
    "name": "readings",
    "title": {"zh": "读数", "en": "Readings"},
    "steward": "330800",
    "primaryKey": ["id"],
    "fields": [
        {"name": "id", "type": "integer"},
        {"name": "station", "type": "string", "constraints": {"required": True, "maxLength": 20}},
        {"name": "value", "type": "number", "constraints": {"minimum": 0}},
        {"name": "at", "type": "datetime"},
    ],
}


class Flow:
    """Live lines of a city at work in a thread of this process."""

    def __init__(self, city: City) -> None:
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._traffic = Traffic(city)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self._loop.run_until_complete(self._traffic.run(self._stopping))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture(autouse=True)
def empty_bus(nats: str) -> None:
    """The bus outlives cities: what another one left is not this one's."""

    async def clear() -> None:
        client = await connect(nats, "test")
        for stream in await client.jetstream().streams_info():
            await client.jetstream().delete_stream(str(stream.config.name))
        await client.close()

    asyncio.run(clear())


@pytest.fixture
def flow(city: City) -> Iterator[Flow]:
    """Live lines flow while the test runs."""
    made = Flow(city)
    made.start()
    yield made
    made.stop()


def make_line(city: City, contract: dict[str, Any] | None = None, **said: Any) -> Line:
    """Declare a contract and make a live line into it."""
    told = Contract.from_descriptor(contract or READINGS)
    lake_of(city).declare(told, "test")
    descriptor = {"name": told.name, "dataset": told.name, "mode": "upsert" if told.primaryKey else "append", **said}
    return save_line(city, Line.from_descriptor(descriptor), SYSTEM)


def rows(city: City, name: str = "readings", columns: str = "*") -> list[tuple[Any, ...]]:
    """Every row of a dataset, by its first column."""
    with lake_of(city).engine() as duck:
        return duck.execute(f'SELECT {columns} FROM lake.main."{name}" ORDER BY 1').fetchall()


def until(so: Callable[[], Any], seconds: float = 20, what: str = "") -> Any:
    """Wait until `so()` gives something true, and give it."""
    end = time.monotonic() + seconds
    while True:
        found = so()
        if found:
            return found
        assert time.monotonic() < end, what or f"not so after {seconds} s"
        time.sleep(0.02)


@pytest.fixture
def line(city: City) -> Line:
    """A line that takes readings by the push door."""
    return make_line(city, source={"kind": "push"})
