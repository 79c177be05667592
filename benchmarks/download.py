"""A whole table as CSV over HTTP beside DuckDB's own COPY TO a file, and whether memory grows."""

from __future__ import annotations

import statistics
import time

import httpx

from benchmarks.cities import fill_trips, scratch_city, scratch_home, served
from benchmarks.table import Row
from sanqu.lake import lake_of

ROWS = 1_000_000
TIMES = 5


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
            downloads, memory = [], []
            for _ in range(TIMES + 1):
                started = time.perf_counter()
                with client.stream("GET", f"{base}/open/trips.csv") as answer:
                    got = sum(len(chunk) for chunk in answer.iter_raw(1 << 20))
                downloads.append(time.perf_counter() - started)
                memory.append(process.memory_info().rss / 2**20)
                assert got >= size, (got, size)
    ours, peer = size / statistics.median(downloads[1:]) / 1e6, size / statistics.median(copies) / 1e6
    growth = memory[-1] - memory[0]
    return [
        Row(
            "1 M rows as CSV", f"{ours:,.0f} MB/s", f"DuckDB COPY TO {peer:,.0f} MB/s", f"{ours / peer:.2f} ×", "≥ 0.80 ×",
            ours / peer >= 0.8,
        ),
        Row(
            "resident memory after 1 and after 6 downloads", f"{memory[0]:,.0f} → {memory[-1]:,.0f} MB", "", f"{growth:+.0f} MB", "flat",
            growth < 50,
        ),
    ]  # fmt: skip
