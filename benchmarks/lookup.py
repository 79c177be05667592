"""A lookup interface beside Datasette's row page: one row by its key, another each time."""

from __future__ import annotations

import http.client
import random
import statistics
import threading
import time

from benchmarks.cities import fill_trips, scratch_city, scratch_home, served
from benchmarks.rows import datasette, fill_sqlite
from benchmarks.table import Row
from sanqu.ground.people.askers import SYSTEM
from sanqu.lake import lake_of
from sanqu.sharing.interfaces import Interface, switch_on
from sanqu.sharing.mirror import catch_up

ROWS = 1_000_000
SECONDS = 8.0
ASKERS = 8


def latencies(base: str, path: str) -> list[float]:
    """Seconds of every answer that several askers got from `path` with another key each time."""
    host, port = base.removeprefix("http://").split(":")
    until = time.perf_counter() + SECONDS
    taken: list[float] = []

    def ask(seed: int) -> None:
        connection, chance = http.client.HTTPConnection(host, int(port)), random.Random(seed)
        while (began := time.perf_counter()) < until:
            connection.request("GET", path.format(key=chance.randrange(ROWS)))
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body[:300]
            taken.append(time.perf_counter() - began)

    askers = [threading.Thread(target=ask, args=(seed,)) for seed in range(ASKERS)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    return taken


def run() -> list[Row]:
    """Ask both."""
    with scratch_home() as home:
        with scratch_city(home / "city") as city:
            fill_trips(city, ROWS)
            fill_sqlite(city, home / "trips.db")
            with city.db.connection() as conn:
                switch_on(conn, SYSTEM, "trips", lake_of(city).contract("trips"), Interface(per_minute=1_000_000))
            catch_up(city)
        with served(home / "city", "--no-worker") as (ours, _, _), datasette(home / "trips.db") as peer:
            latencies(ours, "/api/share/trips/{key}")
            mine = latencies(ours, "/api/share/trips/{key}")
            theirs = latencies(peer, "/trips/trips/{key}")
            theirs_json = latencies(peer, "/trips/trips/{key}.json?_shape=objects")
    rate, peers, peers_json = (len(taken) / SECONDS for taken in (mine, theirs, theirs_json))
    p99, theirs99 = (statistics.quantiles(taken, n=100)[98] * 1e3 for taken in (mine, theirs))
    kept = rate >= 1500 and rate >= 5 * peers
    return [
        Row("one row by its key, beside its row page", f"{rate:,.0f}/s", f"Datasette {peers:,.0f}/s", f"{rate / peers:.1f} ×", "≥ 5 ×, ≥ 1,500/s", kept),
        Row("the same, p99", f"{p99:.1f} ms", f"{theirs99:.1f} ms", f"{p99 / theirs99:.2f} ×", "< 15 ms", p99 < 15),
        Row("beside its row as JSON", f"{rate:,.0f}/s", f"Datasette {peers_json:,.0f}/s", f"{rate / peers_json:.1f} ×", "", None),
    ]  # fmt: skip
