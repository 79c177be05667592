"""A lookup interface beside Datasette's row page: one row by its key, another each time."""

from __future__ import annotations

import random
import re
import socket
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

LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
ROWS = 1_000_000
ROUNDS = 5
SECONDS = 3.0
ASKERS = 8


def get(connection: socket.socket, path: str) -> bytes:
    """One answer, head and body. An asker of few instructions: what it takes is taken from those who are measured."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    said = b""
    while b"\r\n\r\n" not in said:
        said += more(connection)
    head, _, body = said.partition(b"\r\n\r\n")
    length = LENGTH.search(head)
    while len(body) < int(length[1]) if length else not body.endswith(b"0\r\n\r\n"):
        body += more(connection)
    return head + body


def more(connection: socket.socket) -> bytes:
    """What came next; raises when the server hung up."""
    came = connection.recv(65536)
    if not came:
        raise ConnectionError("the server hung up")
    return came


def latencies(base: str, path: str) -> list[float]:
    """Seconds of every answer that several askers got from `path` with another key each time."""
    host, port = base.removeprefix("http://").split(":")
    until = time.perf_counter() + SECONDS
    taken: list[float] = []

    def ask(seed: int) -> None:
        chance = random.Random(seed)
        with socket.create_connection((host, int(port))) as connection:
            while (began := time.perf_counter()) < until:
                answer = get(connection, path.format(key=chance.randrange(ROWS)))
                assert answer.startswith(b"HTTP/1.1 200"), answer[:300]
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
            paths = [(ours, "/api/share/trips/{key}"), (peer, "/trips/trips/{key}"), (peer, "/trips/trips/{key}.json?_shape=objects")]
            latencies(*paths[0])
            # In turns, and the middle of them: what else the machine does meets each alike.
            rounds = [[latencies(base, path) for base, path in paths] for _ in range(ROUNDS)]
    rate, peers, peers_json = (statistics.median(len(taken[n]) / SECONDS for taken in rounds) for n in range(3))
    p99, theirs99 = (statistics.median(statistics.quantiles(taken[n], n=100)[98] * 1e3 for taken in rounds) for n in range(2))
    kept = rate >= 1500 and rate >= 5 * peers
    return [
        Row("one row by its key, beside its row page", f"{rate:,.0f}/s", f"Datasette {peers:,.0f}/s", f"{rate / peers:.1f} ×", "≥ 5 ×, ≥ 1,500/s", kept),
        Row("the same, p99", f"{p99:.1f} ms", f"{theirs99:.1f} ms", f"{p99 / theirs99:.2f} ×", "< 15 ms", p99 < 15),
        Row("beside its row as JSON", f"{rate:,.0f}/s", f"Datasette {peers_json:,.0f}/s", f"{rate / peers_json:.1f} ×", "", None),
    ]  # fmt: skip
