"""A line carries a CSV of five million rows into the lake, checks included, beside DuckDB's own COPY to Parquet."""

from __future__ import annotations

import statistics
import time

import duckdb

from benchmarks.cities import TRIPS, scratch_city, scratch_home, trips_contract
from benchmarks.table import Row
from sanqu.catalog.keeping import register_contract
from sanqu.ground.people.askers import SYSTEM
from sanqu.lake import lake_of
from sanqu.lines.keeping import save_line
from sanqu.lines.records import Line, Source
from sanqu.lines.run import run_line

ROWS = 5_000_000
TIMES = 3


def run() -> list[Row]:
    """Median of several loads, each into an empty dataset, against the median of several COPYs, in turn."""
    with scratch_home() as home:
        file = home / "trips.csv"
        with duckdb.connect() as duck:
            duck.execute(f"COPY ({TRIPS.format(rows=ROWS)}) TO '{file}' (FORMAT csv, HEADER)")
        size = file.stat().st_size / 1e6
        with scratch_city(home / "city") as city:
            loads, copies = [], []
            for number in range(TIMES):
                name = f"trips{number}"
                register_contract(city, trips_contract(name), "bench", state="published")
                save_line(city, Line(name=name, dataset=name, source=Source(kind="file", path=str(file))), SYSTEM)
                with duckdb.connect() as duck:
                    started = time.perf_counter()
                    duck.execute(f"COPY (FROM read_csv('{file}')) TO '{home}/peer.parquet' (FORMAT parquet)")
                    copies.append(time.perf_counter() - started)
                started = time.perf_counter()
                done = run_line(city, name)
                loads.append(time.perf_counter() - started)
                assert done.counts.written == ROWS, done
                assert lake_of(city).count(name) == ROWS
    ours, peer = statistics.median(loads), statistics.median(copies)
    return [
        Row(
            f"{ROWS:,} rows, {size:,.0f} MB of CSV", f"{ours:.1f} s", f"DuckDB COPY to Parquet {peer:.1f} s", f"{ours / peer:.2f} ×",
            "≤ 2.00 ×", ours / peer <= 2.0,
        )
    ]  # fmt: skip
