"""A lookup interface beside Datasette's row page: one row by its key, another each time."""

from __future__ import annotations

import random
import re
import selectors
import socket
import statistics
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


class Asker:
    """One who asks, waits for the answer, and asks again; of few instructions: what it takes is taken from those who are measured."""

    def __init__(self, host: str, port: int, path: str, seed: int) -> None:
        self.connection = socket.create_connection((host, port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._path, self._chance = path, random.Random(seed)
        self._said = b""
        self._asked = 0.0

    def ask(self) -> None:
        """Send one question."""
        self._said, self._asked = b"", time.perf_counter()
        path = self._path.format(key=self._chance.randrange(ROWS))
        self.connection.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())

    def hear(self) -> float | None:
        """Take what came; the seconds that the answer took, once it is whole."""
        came = self.connection.recv(65536)
        if not came:
            raise ConnectionError("the server hung up")
        self._said += came
        if not is_whole(self._said):
            return None
        assert self._said.startswith(b"HTTP/1.1 200"), self._said[:300]
        return time.perf_counter() - self._asked


def is_whole(said: bytes) -> bool:
    """Whether an answer has come to its end."""
    head, found, body = said.partition(b"\r\n\r\n")
    if not found:
        return False
    length = LENGTH.search(head)
    return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")


def latencies(base: str, path: str) -> list[float]:
    """Seconds of every answer that several askers got from `path` with another key each time."""
    host, port = base.removeprefix("http://").split(":")
    taken: list[float] = []
    # One thread for all askers: threads of one Python wait for each other, and that would be measured as the server's.
    with selectors.DefaultSelector() as ready:
        for seed in range(ASKERS):
            one = Asker(host, int(port), path, seed)
            ready.register(one.connection, selectors.EVENT_READ, one)
            one.ask()
        until = time.perf_counter() + SECONDS
        while time.perf_counter() < until:
            for key, _ in ready.select(1.0):
                took = key.data.hear()
                if took is not None:
                    taken.append(took)
                    key.data.ask()
        for key in list(ready.get_map().values()):
            key.data.connection.close()
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
