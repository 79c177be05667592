"""The row API beside Datasette: one table, the same questions, the same number of askers."""

from __future__ import annotations

import itertools
import random
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.cities import fill_trips, scratch_city, scratch_home, served
from benchmarks.table import Row
from sanqu.ground.city import City
from sanqu.lake import lake_of

ROWS = 1_000_000
SECONDS = 8.0
ASKERS = 8


@contextmanager
def datasette(file: Path) -> Iterator[str]:
    """Datasette over an SQLite file, as its documentation says to serve an immutable one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "datasette",
        "-i",
        str(file),
        "-p",
        str(port),
        "--setting",
        "default_cache_ttl",
        "0",
        "--setting",
        "suggest_facets",
        "off",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        base = f"http://127.0.0.1:{port}"
        try:
            for _ in range(400):
                try:
                    httpx.get(base + "/-/versions.json")
                    break
                except httpx.HTTPError:
                    time.sleep(0.05)
            yield base
        finally:
            child.terminate()


def rate(base: str, question: Callable[[int], str]) -> float:
    """Requests a second that several askers with kept-alive connections get through."""
    done = itertools.count()
    until = time.perf_counter() + SECONDS
    host, port = base.removeprefix("http://").split(":")

    def ask(seed: int) -> None:
        import http.client

        connection = http.client.HTTPConnection(host, int(port))
        chance = random.Random(seed)
        while time.perf_counter() < until:
            connection.request("GET", question(chance.randrange(ROWS)))
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body[:300]
            next(done)

    askers = [threading.Thread(target=ask, args=(seed,)) for seed in range(ASKERS)]
    started = time.perf_counter()
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    return next(done) / (time.perf_counter() - started)


QUESTIONS: list[tuple[str, Callable[[int], str], Callable[[int], str], float | None]] = [
    (
        "one page of 100, filtered and sorted, asked again and again",
        lambda _n: "/api/open/trips?county=%E6%9F%AF%E5%9F%8E%E5%8C%BA&sort=-fare&limit=100",
        lambda _n: (
            "/trips/trips.json?county=%E6%9F%AF%E5%9F%8E%E5%8C%BA&_sort_desc=fare&_size=100&_shape=objects&_nocount=1&_nosuggest=1&_nofacet=1"
        ),
        5.0,
    ),
    (
        "a page of 100 somewhere in key order, another each time",
        lambda n: f"/api/open/trips?id__gt={n}&limit=100",
        lambda n: f"/trips/trips.json?id__gt={n}&_size=100&_shape=objects&_nocount=1&_nosuggest=1&_nofacet=1",
        None,
    ),
    (
        "one row by key, another each time",
        lambda n: f"/api/open/trips?id={n}",
        lambda n: f"/trips/trips.json?id={n}&_shape=objects&_nocount=1&_nosuggest=1&_nofacet=1",
        None,
    ),
]


def fill_sqlite(city: City, file: Path) -> None:
    """The same table for the peer."""
    with lake_of(city).engine() as duck, sqlite3.connect(file) as sqlite:
        rows = duck.execute("SELECT id, county, plate, day::VARCHAR, km, fare, people, night FROM lake.main.trips ORDER BY id")
        sqlite.execute(
            "CREATE TABLE trips (id INTEGER PRIMARY KEY, county, plate, day, km REAL, fare REAL, people INT, night INT)"
        )
        sqlite.executemany("INSERT INTO trips VALUES (?,?,?,?,?,?,?,?)", iter(rows.fetchone, None))
        sqlite.execute("CREATE INDEX trips_county_fare ON trips (county, fare)")


def run() -> list[Row]:
    """Ask both; the promise is about the same query on the same table, the others are there to be honest."""
    rows: list[Row] = []
    with scratch_home() as home:
        with scratch_city(home / "city") as city:
            fill_trips(city, ROWS)
            fill_sqlite(city, home / "trips.db")
        with served(home / "city", "--no-worker") as (ours, _, _), datasette(home / "trips.db") as peer:
            for what, our_question, their_question, promise in QUESTIONS:
                rate_ours, rate_peer = rate(ours, our_question), rate(peer, their_question)
                ratio = rate_ours / rate_peer
                rows.append(
                    Row(
                        what, f"{rate_ours:,.0f}/s", f"Datasette {rate_peer:,.0f}/s", f"{ratio:.1f} ×",
                        f"≥ {promise:.0f} ×" if promise else "", ratio >= promise if promise else None,
                    )
                )  # fmt: skip
    return rows
