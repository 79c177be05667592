"""A line carries a CSV of five million rows into the lake, checks included, beside DuckDB's own COPY to Parquet."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import duckdb

from benchmarks.cities import TRIPS, scratch_city, scratch_home, trips_contract
from benchmarks.table import Row
from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM
from sanqu.lake import lake_of
from sanqu.lines.keeping import save_line
from sanqu.lines.records import Line, Source
from sanqu.lines.run import run_line

ROWS = 5_000_000
TIMES = 5
QUOTED = f"SELECT * REPLACE (CASE WHEN id % 50 = 0 THEN '' ELSE plate END AS plate) FROM ({TRIPS})"
BAD = f"SELECT * REPLACE (CASE WHEN id % 1000 = 7 THEN 'x' ELSE CAST(fare AS VARCHAR) END AS fare) FROM ({TRIPS})"


def run() -> list[Row]:
    """Medians of several loads, each into an empty dataset, against those of several COPYs, in turn."""
    with scratch_home() as home, scratch_city(home / "city") as city:
        return [
            _compare(city, home, "clean", TRIPS, 0, promise=2.0),
            _compare(city, home, "quoted", QUOTED, 0),
            _compare(city, home, "bad", BAD, ROWS // 1000),
        ]


TOLD = {"clean": "", "quoted": ", 2 % empty cells in quotes", "bad": ", 0.1 % bad rows"}


def _compare(city: City, home: Path, kind: str, query: str, bad: int, promise: float | None = None) -> Row:
    file = home / f"{kind}.csv"
    with duckdb.connect() as duck:
        duck.execute(f"COPY ({query.format(rows=ROWS)}) TO '{file}' (FORMAT csv, HEADER)")
    size = file.stat().st_size / 1e6
    loads, copies = [], []
    for number in range(TIMES):
        name = f"{kind}{number}"
        register_contract(city, trips_contract(name), "bench", state="published")
        save_line(city, Line(name=name, dataset=name, source=Source(kind="file", path=str(file))), SYSTEM)
        with duckdb.connect() as duck:
            started = time.perf_counter()
            duck.execute(f"COPY (FROM read_csv('{file}')) TO '{home}/peer.parquet' (FORMAT parquet)")
            copies.append(time.perf_counter() - started)
        started = time.perf_counter()
        done = run_line(city, name)
        loads.append(time.perf_counter() - started)
        assert (done.counts.written, done.counts.quarantined) == (ROWS - bad, bad), done
        assert lake_of(city).count(name) == ROWS - bad
    file.unlink()
    ours, peer = statistics.median(loads), statistics.median(copies)
    # Each load beside the COPY just before it: what else runs on the machine weighs on both.
    ratio = statistics.median(load / copy for load, copy in zip(loads, copies, strict=True))
    return Row(
        f"{ROWS:,} rows, {size:,.0f} MB of CSV{TOLD[kind]}", f"{ours:.1f} s", f"DuckDB COPY to Parquet {peer:.1f} s", f"{ratio:.2f} ×",
        f"≤ {promise:.2f} ×" if promise else "", ratio <= promise if promise else None,
    )  # fmt: skip
