"""The sealed process (封闭查询进程): reads the lake, runs what askers wrote, and reaches nothing else.

Run as a file of its own, it imports nothing of Sanqu: what it needs to know it is told by its parent (`sharing.runner`), so it
is there in a fraction of the time, and holds nothing that a query could ever get hold of.
"""

from __future__ import annotations

import io
import json
import struct
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

# Kind, the number of the request that it belongs to, size of what follows.
HEAD = struct.Struct(">cQQ")
# What one answer may weigh, whatever its number of rows.
MOST_BYTES = 256 * 1024 * 1024
BATCH_ROWS = 4096
# Of versions of small tables that are read again and again a copy is kept: so many rows and letters and fewer, asked for so often and
# for so long, so many of them, each until nobody has asked for it for so long; looked after so often.
KEPT_ROWS, KEPT_LETTERS = 20_000, 4_000_000
ASKED_BEFORE, STANDS_SECONDS, MOST_KEPT, IDLE_SECONDS, SWEEP_SECONDS = 3, 3.0, 16, 300.0, 1.0

# How the SQL of a table at a version says so (`Lake.at_snapshot`).
VERSION = " AT (VERSION => "


@dataclass(frozen=True)
class Opening:
    """What a sealed process is told to open.

    `extensions` are files, `checked` whether their signatures were checked already by whoever says so; `statements`
    make the lake readable, `folder` is where its files are.
    """

    extensions: list[str]
    checked: bool
    statements: list[str]
    folder: str
    memory_limit: str
    threads: int


def open_sealed(told: Opening) -> duckdb.DuckDBPyConnection:
    """A DuckDB that can read the lake and nothing else: no file, no network, no setting can be reached from its SQL.

    Raises `duckdb.Error` when the lake cannot be opened.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_unsigned_extensions": told.checked,
        "memory_limit": told.memory_limit,
        "threads": told.threads,
        "python_enable_replacements": False,
        "allow_unredacted_secrets": False,
    }
    root = duckdb.connect(":memory:", config=config)
    for file in told.extensions:
        root.execute(f"LOAD {_text(file)}")
    for statement in told.statements:
        root.execute(statement)
    root.execute(f"SET allowed_directories = [{_text(told.folder)}]")
    root.execute("SET enable_external_access = false")
    root.execute("SET lock_configuration = true")
    return root


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


@dataclass
class _Seen:
    """A version of a table: how often it was asked for, since when and when last (steady clock), and the copy there is of it."""

    first: float
    last: float = 0.0
    asked: int = 0
    copy: str | None = None


class Kept:
    """Copies (常驻小表) of versions of small tables. A version never changes, and to learn from PostgreSQL where its rows lie takes
    longer than to read them: a query that looks few rows up in three such tables takes half as long.

    Only what has stood for a while is copied: a table that moves all the time would be copied again and again.
    """

    def __init__(self, duck: duckdb.DuckDBPyConnection) -> None:
        self._duck, self._made, self._swept = duck, 0, time.monotonic()
        self._seen: dict[str, _Seen] = {}
        # Tables that were too large at some version, or could not be copied.
        self._refused: set[str] = set()

    def lead(self, sql: str, tables: Mapping[str, str]) -> str:
        """A query whose tables stand as marks, led to the copies there are and else to the lake."""
        at = time.monotonic()
        for mark, table in tables.items():
            if mark in sql:
                seen = self._seen.setdefault(table, _Seen(at))
                seen.asked, seen.last = seen.asked + 1, at
                sql = sql.replace(mark, seen.copy or table)
        return sql

    def keep(self) -> None:
        """Between two questions: copy what was asked for often, forget what is not asked for any more."""
        at = time.monotonic()
        if self._swept > at - SWEEP_SECONDS:
            return
        self._swept = at
        for table in [table for table, seen in self._seen.items() if seen.last < at - IDLE_SECONDS]:
            self._forget(table)
        for table, seen in self._seen.items():
            if seen.asked > ASKED_BEFORE and seen.first < at - STANDS_SECONDS and not seen.copy and VERSION in table and _name(table) not in self._refused:
                seen.copy = self._copy(table)
        there = sorted((table for table, seen in self._seen.items() if seen.copy), key=lambda table: self._seen[table].last)
        for table in there[: max(0, len(there) - MOST_KEPT)]:
            self._forget(table)

    def _copy(self, table: str) -> str | None:
        self._made += 1
        copy = f"memory.main._sanqu_kept_{self._made}"
        try:
            self._duck.execute(f"CREATE TABLE {copy} AS SELECT * FROM {table} LIMIT {KEPT_ROWS + 1}")
            rows, letters = self._duck.execute(f"SELECT count(*), coalesce(sum(length(CAST(t AS VARCHAR))), 0) FROM {copy} AS t").fetchone() or (0, 0)
        except duckdb.Error:
            self._refused.add(_name(table))
            return None
        if rows <= KEPT_ROWS and letters <= KEPT_LETTERS:
            return copy
        self._refused.add(_name(table))
        self._duck.execute(f"DROP TABLE {copy}")
        return None

    def _forget(self, table: str) -> None:
        seen = self._seen.pop(table)
        if seen.copy:
            self._duck.execute(f"DROP TABLE {seen.copy}")


def _name(table: str) -> str:
    """A table without its version."""
    return table.partition(VERSION)[0]


def serve() -> None:
    """Open the lake, seal the process, answer until its parent is gone."""
    reading, writing = sys.stdin.buffer, sys.stdout.buffer
    number, told = read(reading)
    if told is None:
        return
    try:
        duck = open_sealed(Opening(**told))
    except Exception as fault:
        write(writing, b"X", number, str(fault).encode())
        return
    write(writing, b"R", number, b"")
    kept = Kept(duck)
    while True:
        number, asked = read(reading)
        if asked is None:
            return
        _answer(duck, number, asked, writing, kept)
        kept.keep()


def write(pipe: BinaryIO | Any, kind: bytes, number: int, body: bytes) -> None:
    """Send one message; raises `OSError` when the other side is gone."""
    pipe.write(HEAD.pack(kind, number, len(body)))
    pipe.write(body)
    pipe.flush()


def read(pipe: BinaryIO) -> tuple[int, dict[str, Any] | None]:
    """The next message, None when the other side is gone."""
    head = pipe.read(HEAD.size)
    if len(head) < HEAD.size:
        return 0, None
    _, number, size = HEAD.unpack(head)
    return number, json.loads(pipe.read(size))


def _answer(duck: duckdb.DuckDBPyConnection, number: int, asked: Mapping[str, Any], writing: BinaryIO, kept: Kept) -> None:
    late = threading.Timer(float(asked["seconds"]), duck.interrupt)
    late.start()
    failed: str | None = None
    try:
        # In one transaction it is the same moment for all of them: `now()` too.
        duck.execute("BEGIN TRANSACTION")
        for statement in asked["statements"]:
            if failed is None:
                try:
                    sql = kept.lead(statement["sql"], statement["tables"])
                    write(writing, b"T", number, _run(duck, sql, statement))
                    continue
                except Exception as fault:
                    failed = _kind(fault)
            write(writing, b"F", number, json.dumps({"kind": failed}).encode())
    finally:
        late.cancel()
        duck.rollback()


def _run(duck: duckdb.DuckDBPyConnection, sql: str, statement: Mapping[str, Any]) -> bytes:
    most, seen, more = int(statement["rows"]), 0, False
    reader = duck.execute(sql, dict(statement["params"]) or None).to_arrow_reader(BATCH_ROWS)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, reader.schema) as writer:
        for batch in reader:
            more = seen + batch.num_rows > most
            writer.write_batch(batch.slice(0, most - seen) if more else batch)
            seen += min(batch.num_rows, most - seen)
            if sink.tell() > MOST_BYTES:
                raise MemoryError("size")
            if more:
                break
    # Last, so that the columns lie where the engine that reads them wants them: on whole words.
    sink.write(bytes([more]))
    return sink.getvalue()


def _kind(fault: Exception) -> str:
    match fault:
        case MemoryError() if str(fault) == "size":
            return "size"
        case duckdb.InterruptException():
            return "time"
        case duckdb.OutOfMemoryException() | MemoryError():
            return "memory"
        case duckdb.BinderException() | duckdb.CatalogException() | duckdb.ParserException() | duckdb.NotImplementedException():
            return "shape"
        case duckdb.InternalException() | duckdb.FatalException():
            return "broken"
        case _:
            return "value"


if __name__ == "__main__":
    serve()
