"""Several datasets written in one transaction of the lake: all of it is there, with its position, or none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import duckdb

from sanqu.ground.database import Connection
from sanqu.lake.contracts import Contract, quote_ident
from sanqu.lake.mirrors import Mirroring, Mirrors, standing_of
from sanqu.lake.tables import table_of, write_lock
from sanqu.lake.writes import Change, Commit, Writes, number_of, retried, transaction

Result = TypeVar("Result")

ALONE = "SELECT pg_advisory_lock(hashtext(n)) FROM unnest(%s::text[]) AS n"
RELEASE = "SELECT pg_advisory_unlock_all()"
NOTE = """
UPDATE lake_dataset SET changed = now(), snapshot = greatest(snapshot, %(snapshot)s), rows = greatest(0, rows + %(grown)s)
WHERE name = %(name)s
"""
SET_MESSAGE = "CALL lake.set_commit_message(?, ?, extra_info => ?)"


@dataclass(frozen=True)
class Joint(Generic[Result]):
    """What a joint write did: its snapshot (None when nothing had to change), what changed by dataset, what the work gave."""

    snapshot: int | None
    changes: dict[str, Change]
    result: Result


class Hand:
    """Writes inside one joint transaction; see `Together.together`. Sources are SELECTs on the same cursor."""

    def __init__(self, duck: duckdb.DuckDBPyConnection, mirroring: Mirroring | None = None) -> None:
        self.duck, self.mirroring = duck, mirroring
        self.changes: dict[str, Change] = {}

    def mirror(self, name: str) -> str | None:
        """A copy of a keyed dataset as it stands in this transaction, as SQL; None where none is kept."""
        return self.mirroring.of(name) if self.mirroring else None

    def _spoil(self, name: str) -> None:
        if self.mirroring:
            self.mirroring.spoil(name)

    def _note(self, name: str, **counts: int) -> Change:
        made = Change(0, **counts)
        was = self.changes.get(name, Change(0))
        self.changes[name] = replace(
            was, inserted=was.inserted + made.inserted, updated=was.updated + made.updated,
            deleted=was.deleted + made.deleted, unchanged=was.unchanged + made.unchanged,
        )  # fmt: skip
        return made

    def append(self, contract: Contract, source_sql: str) -> Change:
        """Add the rows of `source_sql`."""
        self._spoil(contract.name)
        columns = ", ".join(quote_ident(item) for item in contract.names)
        insert = f"INSERT INTO {table_of(contract.name)} ({columns}) SELECT {columns} FROM ({source_sql})"
        return self._note(contract.name, inserted=number_of(self.duck, insert))

    def merge(self, contract: Contract, source_sql: str) -> Change:
        """Add or change rows by the contract's key, which stands in `source_sql` once each; rows already so stay untouched.

        The source is read twice: it is a table, or as quick as one.
        """
        delta, mirror = _Delta(contract, source_sql), self.mirroring.kept(contract.name) if self.mirroring else None
        if mirror:
            self.duck.execute(delta.find(mirror))
        else:
            # A mirror that another line keeps would not know of it.
            self._spoil(contract.name)
            low, high = self.duck.execute(delta.span).fetchone() or (None, None)
            self.duck.execute(delta.find(delta.within(low, high)))
        total, known, fresh = self.duck.execute(delta.count).fetchone() or (0, 0, 0)
        if known:
            self.duck.execute(delta.merge)
        elif fresh:
            self.duck.execute(delta.insert)
        if mirror and (known or fresh):
            self.duck.execute(delta.take_from(mirror))
            self.duck.execute(delta.add_to(mirror))
        return self._note(contract.name, inserted=fresh, updated=known, unchanged=total - known - fresh)

    def delete(self, contract: Contract, keys_sql: str) -> Change:
        """Take out the rows whose key is among those of `keys_sql`."""
        self._spoil(contract.name)
        match = " AND ".join(f"t.{quote_ident(k)} = s.{quote_ident(k)}" for k in contract.primaryKey)
        query = f"DELETE FROM {table_of(contract.name)} AS t USING ({keys_sql}) AS s WHERE {match}"
        return self._note(contract.name, deleted=number_of(self.duck, query))

    def clear(self, contract: Contract) -> Change:
        """Take out every row."""
        self._spoil(contract.name)
        return self._note(contract.name, deleted=number_of(self.duck, f"DELETE FROM {table_of(contract.name)}"))


class _Delta:
    """The statements of a keyed merge of few rows into a table that may be large."""

    def __init__(self, contract: Contract, source: str) -> None:
        self._table, self._key = table_of(contract.name), [quote_ident(k) for k in contract.primaryKey]
        self._listed = ", ".join(quote_ident(item) for item in contract.names)
        others = [quote_ident(item) for item in contract.names if item not in contract.primaryKey]
        self._differs = " OR ".join(f"t.{c} IS DISTINCT FROM s.{c}" for c in others) or "false"
        self._ordered = contract.field(contract.primaryKey[0]).lake_type != "BOOLEAN"
        self._source, first = f"(SELECT {self._listed} FROM ({source}))", self._key[0]
        self.span = f"SELECT CAST(min({first}) AS VARCHAR), CAST(max({first}) AS VARCHAR) FROM {self._source}"
        self.count = "SELECT count(*), count(*) FILTER (_known AND _differs), count(*) FILTER (NOT _known) FROM _sanqu_delta"
        match = " AND ".join(f"t.{k} = s.{k}" for k in self._key)
        sets = ", ".join(f"{c} = s.{c}" for c in others)
        given = ", ".join(f"s.{quote_ident(item)}" for item in contract.names)
        self.insert = f"INSERT INTO {self._table} ({self._listed}) SELECT {self._listed} FROM _sanqu_delta WHERE NOT _known"
        self.merge = (
            f"MERGE INTO {self._table} AS t USING (SELECT {self._listed} FROM _sanqu_delta WHERE NOT _known OR _differs) AS s "
            f"ON {match} WHEN MATCHED THEN UPDATE SET {sets} WHEN NOT MATCHED THEN INSERT ({self._listed}) VALUES ({given})"
        )

    def within(self, low: str | None, high: str | None) -> str:
        """The dataset as SQL; files whose keys all lie outside `low` … `high` are not opened."""
        if low is None or high is None or not self._ordered:
            return self._table
        bounds = " AND ".join(f"{self._key[0]} {sign} {_text(value)}" for sign, value in ((">=", low), ("<=", high)))
        return f"(SELECT * FROM {self._table} WHERE {bounds})"

    def find(self, there: str) -> str:
        """Compare what was brought with what stands `there` (SQL)."""
        match = " AND ".join(f"t.{k} = s.{k}" for k in self._key)
        return (
            f"CREATE OR REPLACE TEMP TABLE _sanqu_delta AS SELECT s.*, t.{self._key[0]} IS NOT NULL AS _known, {self._differs} AS _differs "
            f"FROM {self._source} AS s LEFT JOIN {there} AS t ON {match}"
        )

    def take_from(self, mirror: str) -> str:
        """Take the rows that change out of a mirror."""
        match = " AND ".join(f"t.{k} = s.{k}" for k in self._key)
        return f"DELETE FROM {mirror} AS t USING _sanqu_delta AS s WHERE {match} AND s._known AND s._differs"

    def add_to(self, mirror: str) -> str:
        """Put the rows that change or are new into a mirror."""
        return f"INSERT INTO {mirror} ({self._listed}) SELECT {self._listed} FROM _sanqu_delta WHERE NOT _known OR _differs"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


class Together(Writes):
    """Joint writes: rows of many datasets, and where their sources stand, in one transaction."""

    def together(
        self, commit: Commit | Callable[[Result], Commit], keyed: Iterable[str], work: Callable[[Hand], Result], *,
        duck: duckdb.DuckDBPyConnection, conn: Connection, mirrors: Mirrors | None = None,
    ) -> Joint[Result]:  # fmt: skip
        """Do `work` in one transaction whose snapshot carries `commit` (or what it makes of the result); it is done again
        when another writer came first.

        `keyed` are the datasets written by key, held against other keyed writers meanwhile; `conn` is a connection in
        autocommit of the caller's own that holds nothing else. `mirrors` are those that the caller keeps beside `duck`. Raises as
        `upsert` does.
        """
        keyed = sorted(set(keyed))
        with _alone(conn, [write_lock(name) for name in keyed]):
            standing = standing_of(conn, keyed) if mirrors else {}

            def once() -> tuple[Hand, Result]:
                return self._once(commit, work, Hand(duck, Mirroring(duck, mirrors, standing) if mirrors else None))

            hand, result = retried(", ".join(keyed) or "lake", once)
            changes = {name: one for name, one in hand.changes.items() if one.inserted or one.updated or one.deleted}
            snapshot = number_of(duck, "SELECT id FROM lake.last_committed_snapshot()") if changes else None
            changes = {name: replace(one, snapshot=snapshot or 0) for name, one in changes.items()}
            if changes:
                with conn.transaction(), conn.cursor() as cursor:
                    grown = [{"snapshot": snapshot, "grown": c.inserted - c.deleted, "name": n} for n, c in changes.items()]
                    cursor.executemany(NOTE, grown)
            if hand.mirroring:
                hand.mirroring.settle(changes, snapshot or 0)
        for name, one in changes.items():
            told = {"dataset": name, "snapshot": snapshot, "inserted": one.inserted, "updated": one.updated, "deleted": one.deleted}
            self.city.bus.publish(f"lake.write.{name}", told)
        return Joint(snapshot, changes, result)

    @staticmethod
    def _once(commit: Commit | Callable[[Result], Commit], work: Callable[[Hand], Result], hand: Hand) -> tuple[Hand, Result]:
        with transaction(hand.duck):
            result = work(hand)
            told = commit if isinstance(commit, Commit) else commit(result)
            said = json.dumps(told.position, ensure_ascii=False, default=str)
            hand.duck.execute(SET_MESSAGE, [told.author, told.message, said])
            return hand, result


@contextmanager
def _alone(conn: Connection, names: list[str]) -> Iterator[None]:
    if not names:
        yield
        return
    conn.execute(ALONE, (names,))
    try:
        yield
    finally:
        conn.execute(RELEASE)
