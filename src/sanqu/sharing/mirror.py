"""Copies of keyed datasets in PostgreSQL, kept up by the lake's change feed: what lookup interfaces are answered from."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.ear import Ear
from sanqu.ground.errors import SanquError
from sanqu.lake import Contract, lake_of, quote_ident

log = logging.getLogger(__name__)

FOLLOWER_LOCK = 7_530_005
CHANNEL = "sanqu_lake"
# Without a word of the lake, the follower looks by itself so often.
LOOK_SECONDS = 0.5
# Beyond so many changed rows a copy is made anew: that is one COPY.
MOST_CHANGES = 50_000
BATCH = 10_000
TYPES = {
    "VARCHAR": "text", "BIGINT": "bigint", "DOUBLE": "double precision", "BOOLEAN": "boolean", "DATE": "date", "TIME": "time",
    "TIMESTAMP": "timestamp", "INTEGER": "integer",
}  # fmt: skip

BEHIND = """
SELECT i.dataset, i.version AS held_version, i.snapshot AS held, k.contract, l.version, l.snapshot
FROM sharing_interface i JOIN catalog_dataset k ON k.name = i.dataset JOIN lake_dataset l ON l.name = k.contract
WHERE i.state = 'on' AND (i.snapshot IS DISTINCT FROM l.snapshot OR i.version IS DISTINCT FROM l.version)
"""
CAUGHT_UP = """
UPDATE sharing_interface SET version = %s, snapshot = %s, rows = (SELECT count(*) FROM {}), caught_up = now(), fault = NULL
WHERE dataset = %s
"""
FAULT = "UPDATE sharing_interface SET fault = %s WHERE dataset = %s"
CHANGES = """
SELECT {items}, change_type FROM lake.table_changes({name}, {first}, {last})
QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY snapshot_id DESC, change_type IN ('insert', 'update_postimage') DESC) = 1
"""


@dataclass(frozen=True)
class _Behind:
    dataset: str
    contract: str
    version: int
    snapshot: int
    held_version: int | None
    held: int | None


def mirror_table(dataset: str) -> sql.Identifier:
    """The copy of `dataset`."""
    return sql.Identifier("mirror", dataset)


def catch_up(city: City) -> list[str]:
    """Bring every copy to the newest snapshot of its dataset; returns those that were behind. One process does it at a time."""
    done = []
    with city.db.own_connection() as conn:
        if not _take_turn(conn):
            return []
        for row in conn.execute(BEHIND).fetchall():
            one = _Behind(row["dataset"], row["contract"], row["version"], row["snapshot"], row["held_version"], row["held"])
            try:
                _bring_up(city, conn, one)
                done.append(one.dataset)
            except (SanquError, duckdb.Error, psycopg.Error) as fault:
                log.warning("the copy of %s could not be brought up", one.dataset, exc_info=True)
                said = fault.record() if isinstance(fault, SanquError) else {"what": type(fault).__name__}
                conn.execute(FAULT, (Jsonb(said), one.dataset))
    return done


def _take_turn(conn: Connection) -> bool:
    row = conn.execute("SELECT pg_try_advisory_lock(%s) AS mine", (FOLLOWER_LOCK,)).fetchone()
    return bool(row and row["mine"])


def _bring_up(city: City, conn: Connection, one: _Behind) -> None:
    contract = lake_of(city).contract(one.contract)
    with conn.transaction():
        changed = None
        if one.held is not None and one.held_version == one.version:
            changed = _changes(city, contract, one)
        if changed is None:
            _make_anew(city, conn, contract, one)
        else:
            _apply(conn, contract, one.dataset, *changed)
        query = sql.SQL(CAUGHT_UP).format(mirror_table(one.dataset))
        conn.execute(query, (one.version, one.snapshot, one.dataset))


def _changes(city: City, contract: Contract, one: _Behind) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]] | None:
    """Rows to put in and keys to take out since the copy's snapshot; None where it is easier to copy all."""
    items = ", ".join(map(quote_ident, contract.names))
    key = ", ".join(map(quote_ident, contract.primaryKey))
    name = "'" + contract.name + "'"
    query = CHANGES.format(items=items, name=name, first=int(one.held or 0) + 1, last=int(one.snapshot), key=key)
    try:
        with lake_of(city).engine() as duck:
            rows = duck.execute(query + f" LIMIT {MOST_CHANGES + 1}").fetchall()
    except duckdb.Error:
        # Snapshots in between have expired.
        return None
    if len(rows) > MOST_CHANGES:
        return None
    places = [contract.names.index(name) for name in contract.primaryKey]
    gone = [tuple(row[place] for place in places) for row in rows]
    put = [row[:-1] for row in rows if row[-1] in ("insert", "update_postimage")]
    return put, gone


def _apply(
    conn: Connection, contract: Contract, dataset: str, put: list[tuple[Any, ...]], gone: list[tuple[Any, ...]]
) -> None:  # fmt: skip
    table = mirror_table(dataset)
    same = sql.SQL(" AND ").join(
        sql.SQL("{} IS NOT DISTINCT FROM %s").format(sql.Identifier(name)) for name in contract.primaryKey
    )
    with conn.cursor() as cursor:
        cursor.executemany(sql.SQL("DELETE FROM {} WHERE {}").format(table, same), gone)
        _copy_in(cursor, table, contract, iter([put]))


def _make_anew(city: City, conn: Connection, contract: Contract, one: _Behind) -> None:
    table = mirror_table(one.dataset)
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(item.name), sql.SQL(TYPES[item.lake_type])) for item in contract.fields
    )
    key = sql.SQL(", ").join(map(sql.Identifier, contract.primaryKey))
    conn.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
    conn.execute(sql.SQL("CREATE TABLE {} ({})").format(table, columns))
    with conn.cursor() as cursor:
        _copy_in(cursor, table, contract, _all_rows(city, contract, one.snapshot))
    conn.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(table, key))


def _all_rows(city: City, contract: Contract, snapshot: int) -> Iterator[list[tuple[Any, ...]]]:
    filled = " AND ".join(f"{quote_ident(name)} IS NOT NULL" for name in contract.primaryKey)
    items = ", ".join(map(quote_ident, contract.names))
    with lake_of(city).engine() as duck:
        duck.execute(f"SELECT {items} FROM {lake_of(city).at_snapshot(contract.name, snapshot)} WHERE {filled}")
        while rows := duck.fetchmany(BATCH):
            yield rows


def _copy_in(
    cursor: psycopg.Cursor[Any], table: sql.Identifier, contract: Contract, batches: Iterator[list[tuple[Any, ...]]]
) -> None:  # fmt: skip
    columns = sql.SQL(", ").join(map(sql.Identifier, contract.names))
    with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(table, columns)) as copy:
        for rows in batches:
            for row in rows:
                copy.write_row([_clean(value) for value in row])


def _clean(value: Any) -> Any:
    # PostgreSQL's text holds no NUL.
    return value.replace("\0", "") if isinstance(value, str) and "\0" in value else value


class Follower:
    """Keeps the copies up while this process lives: woken by every commit to the lake."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._ear = Ear()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def start(self) -> None:
        """Follow from now on; a second call changes nothing."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="sanqu-mirror", daemon=True)
                self._thread.start()

    def _follow(self) -> None:
        while not self._ear.closed:
            try:
                with self._city.db.own_connection() as conn:
                    conn.execute(f"LISTEN {CHANNEL}")
                    while not self._ear.closed:
                        if conn.execute(BEHIND).fetchone() is not None:
                            catch_up(self._city)
                        self._ear.hear(conn, LOOK_SECONDS)
            except (psycopg.Error, SanquError):
                log.warning("the copies are not followed for the moment", exc_info=True)
                self._ear.rest(1.0)

    def close(self) -> None:
        """Stop following."""
        self._ear.close()
        if self._thread is not None:
            self._thread.join(3.0)


def follower_of(city: City) -> Follower:
    """The follower of this process."""
    return city.part(Follower, Follower)


def state_of(city: City, dataset: str) -> Mapping[str, Any] | None:
    """Where the copy of `dataset` stands."""
    return city.db.one("SELECT state, snapshot, rows, caught_up, fault FROM sharing_interface WHERE dataset = %s", (dataset,))
