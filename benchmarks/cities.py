"""Throw-away cities for benchmarks, in this process or served by one of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil

from sanqu.catalog.keeping import register_contract
from sanqu.cli.opening import open_city
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.people.units import Unit, save_units
from sanqu.lake import Commit, Contract, lake_of

COUNTIES = ["柯城区", "衢江区", "龙游县", "江山市", "常山县", "开化县"]


@contextmanager
def scratch_home() -> Iterator[Path]:
    """A folder that goes when the benchmark ends."""
    with tempfile.TemporaryDirectory(prefix="sanqu-bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def scratch_city(home: Path) -> Iterator[City]:
    """An empty city in this process."""
    with open_city(home) as city:
        with city.db.connection() as conn:
            save_units(conn, [Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou"))])
        yield city


def trips_contract(name: str = "trips") -> Contract:
    """A table like a city's: a key, a place, words, a date, numbers."""
    return Contract.from_descriptor(
        {
            "name": name, "title": {"zh": "行程", "en": "Trips"}, "steward": "3308", "primaryKey": ["id"],
            "fields": [
                {"name": "id", "type": "integer", "constraints": {"required": True}},
                {"name": "county", "type": "string", "constraints": {"enum": COUNTIES}},
                {"name": "plate", "type": "string", "constraints": {"maxLength": 12}},
                {"name": "day", "type": "date"},
                {"name": "km", "type": "number", "constraints": {"minimum": 0}},
                {"name": "fare", "type": "number", "constraints": {"minimum": 0, "maximum": 10000}},
                {"name": "people", "type": "integer", "constraints": {"minimum": 0, "maximum": 100}},
                {"name": "night", "type": "boolean"},
            ],
        }
    )  # fmt: skip


# One query makes the table for us and for the peer.
TRIPS = """
SELECT i AS id, list_element(['柯城区', '衢江区', '龙游县', '江山市', '常山县', '开化县'], 1 + (i * 7919 % 6)::INT) AS county,
       'H' || (i * 31 % 99991)::VARCHAR AS plate, DATE '2020-01-01' + (i * 13 % 2000)::INT AS day,
       round((i * 17 % 4000) / 100.0, 2) AS km, round((i * 29 % 9000) / 100.0, 2) AS fare,
       (i % 5 + 1)::BIGINT AS people, i % 9 = 0 AS night
FROM range({rows}) AS t(i)
"""


def fill_trips(city: City, rows: int) -> None:
    """Publish `trips` with so many rows."""
    register_contract(city, trips_contract(), "bench", state="published")
    with lake_of(city).engine() as duck:
        lake_of(city).upsert("trips", TRIPS.format(rows=rows), Commit("bench"), duck=duck, keys_are_unique=True)


@contextmanager
def served(home: Path, *arguments: str) -> Iterator[tuple[str, psutil.Process, float]]:
    """`sanqu up` on `home` in a process of its own: its address, its process, seconds until the first page."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "sanqu", "up", "--home", str(home), "--port", "0", *arguments]
    environment = os.environ | {"SANQU_RATE_PER_MINUTE": "0"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as child:
        assert child.stdout is not None
        try:
            address = next(found[0] for line in child.stdout if (found := re.search(r"http://[\w.:]+", line)))
            while httpx.get(address, timeout=60).status_code != 200:
                time.sleep(0.01)
            yield address, psutil.Process(child.pid), time.perf_counter() - started
        finally:
            child.terminate()
            child.wait(30)


def wait_until_at_rest(process: psutil.Process, most_seconds: float = 60) -> None:
    """Until a city's processes have done what they do after a start: what is measured is a city that runs."""
    until = time.monotonic() + most_seconds
    while time.monotonic() < until:
        before = _worked(process)
        time.sleep(2)
        if _worked(process) - before < 0.1:
            return


def _worked(process: psutil.Process) -> float:
    """Seconds of processor time of a process tree so far."""
    total = 0.0
    for member in [process, *process.children(recursive=True)]:
        with suppress(psutil.Error):
            total += sum(member.cpu_times()[:2])
    return total
