"""A whole table as CSV over HTTP beside DuckDB's own COPY TO a file, and whether memory grows."""

from __future__ import annotations

import statistics
import time

import httpx

from benchmarks.cities import fill_trips, scratch_city, scratch_home, served, wait_until_at_rest
from benchmarks.table import Row
from sanqu.lake import lake_of

ROWS = 1_000_000
TIMES = 24
A_THIRD = TIMES // 3


def run() -> list[Row]:
    """Median of several downloads against the median of several COPYs of the same table."""
    with scratch_home() as home:
        with scratch_city(home / "city") as city:
            fill_trips(city, ROWS)
            copies = []
            with lake_of(city).engine() as duck:
                for _ in range(TIMES):
                    started = time.perf_counter()
                    duck.execute(f"COPY (FROM lake.main.trips) TO '{home}/peer.csv' (FORMAT csv, HEADER)")
                    copies.append(time.perf_counter() - started)
        size = (home / "peer.csv").stat().st_size
        with served(home / "city", "--no-worker") as (base, process, _), httpx.Client(timeout=120) as client:
            wait_until_at_rest(process)
            downloads, memory = [], []
            for _ in range(TIMES + 1):
                started = time.perf_counter()
                with client.stream("GET", f"{base}/open/trips.csv") as answer:
                    got = sum(len(chunk) for chunk in answer.iter_raw(1 << 20))
                downloads.append(time.perf_counter() - started)
                memory.append(process.memory_info().rss / 2**20)
                assert got >= size, (got, size)
    ours, peer = size / statistics.median(downloads[1:]) / 1e6, size / statistics.median(copies) / 1e6
    at_first, at_last = statistics.median(memory[1 : A_THIRD + 1]), statistics.median(memory[-A_THIRD:])
    return [
        Row(
            "1 M rows as CSV", f"{ours:,.0f} MB/s", f"DuckDB COPY TO {peer:,.0f} MB/s", f"{ours / peer:.2f} ×", "≥ 0.80 ×",
            ours / peer >= 0.8,
        ),
        Row(
            f"resident memory after {A_THIRD} and after {TIMES} downloads", f"{at_first:,.0f} → {at_last:,.0f} MB", "",
            f"{at_last - at_first:+.0f} MB", "flat", at_last < 1.1 * at_first,
        ),
    ]  # fmt: skip
