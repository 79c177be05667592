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
from sanqu.lake.tables import table_of
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

    def __init__(self, duck: duckdb.DuckDBPyConnection) -> None:
        self.duck = duck
        self.changes: dict[str, Change] = {}

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
        columns = ", ".join(quote_ident(item) for item in contract.names)
        insert = f"INSERT INTO {table_of(contract.name)} ({columns}) SELECT {columns} FROM ({source_sql})"
        return self._note(contract.name, inserted=number_of(self.duck, insert))

    def merge(self, contract: Contract, source_sql: str) -> Change:
        """Add or change rows by the contract's key, which stands in `source_sql` once each; rows already so stay untouched."""
        delta = _Delta(contract, source_sql)
        self.duck.execute(delta.bring)
        low, high = self.duck.execute(delta.span).fetchone() or (None, None)
        self.duck.execute(delta.find(low, high))
        total, known, fresh = self.duck.execute(delta.count).fetchone() or (0, 0, 0)
        if known:
            self.duck.execute(delta.merge)
        elif fresh:
            self.duck.execute(delta.insert)
        return self._note(contract.name, inserted=fresh, updated=known, unchanged=total - known - fresh)

    def delete(self, contract: Contract, keys_sql: str) -> Change:
        """Take out the rows whose key is among those of `keys_sql`."""
        match = " AND ".join(f"t.{quote_ident(k)} = s.{quote_ident(k)}" for k in contract.primaryKey)
        query = f"DELETE FROM {table_of(contract.name)} AS t USING ({keys_sql}) AS s WHERE {match}"
        return self._note(contract.name, deleted=number_of(self.duck, query))

    def clear(self, contract: Contract) -> Change:
        """Take out every row."""
        return self._note(contract.name, deleted=number_of(self.duck, f"DELETE FROM {table_of(contract.name)}"))


class _Delta:
    """The statements of a keyed merge of few rows into a table that may be large."""

    def __init__(self, contract: Contract, source: str) -> None:
        self._table, self._key = table_of(contract.name), [quote_ident(k) for k in contract.primaryKey]
        self._listed = ", ".join(quote_ident(item) for item in contract.names)
        others = [quote_ident(item) for item in contract.names if item not in contract.primaryKey]
        self._differs = " OR ".join(f"t.{c} IS DISTINCT FROM s.{c}" for c in others) or "false"
        self._ordered = contract.field(contract.primaryKey[0]).lake_type != "BOOLEAN"
        self.bring = f"CREATE OR REPLACE TEMP TABLE _sanqu_brought AS SELECT {self._listed} FROM ({source})"
        first = self._key[0]
        self.span = f"SELECT CAST(min({first}) AS VARCHAR), CAST(max({first}) AS VARCHAR) FROM _sanqu_brought"
        self.count = "SELECT count(*), count(*) FILTER (_known AND _differs), count(*) FILTER (NOT _known) FROM _sanqu_delta"
        match = " AND ".join(f"t.{k} = s.{k}" for k in self._key)
        sets = ", ".join(f"{c} = s.{c}" for c in others)
        given = ", ".join(f"s.{quote_ident(item)}" for item in contract.names)
        self.insert = f"INSERT INTO {self._table} ({self._listed}) SELECT {self._listed} FROM _sanqu_delta WHERE NOT _known"
        self.merge = (
            f"MERGE INTO {self._table} AS t USING (SELECT {self._listed} FROM _sanqu_delta WHERE NOT _known OR _differs) AS s "
            f"ON {match} WHEN MATCHED THEN UPDATE SET {sets} WHEN NOT MATCHED THEN INSERT ({self._listed}) VALUES ({given})"
        )

    def find(self, low: str | None, high: str | None) -> str:
        """Compare what was brought with what stands there; files whose keys all lie outside `low` … `high` are not opened."""
        match = " AND ".join(f"t.{k} = s.{k}" for k in self._key)
        within = ""
        if low is not None and high is not None and self._ordered:
            bounds = " AND ".join(f"{self._key[0]} {sign} {_text(value)}" for sign, value in ((">=", low), ("<=", high)))
            within = f" WHERE {bounds}"
        return (
            f"CREATE OR REPLACE TEMP TABLE _sanqu_delta AS SELECT s.*, t.{self._key[0]} IS NOT NULL AS _known, {self._differs} AS _differs "
            f"FROM _sanqu_brought AS s LEFT JOIN (SELECT * FROM {self._table}{within}) AS t ON {match}"
        )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


class Together(Writes):
    """Joint writes: rows of many datasets, and where their sources stand, in one transaction."""

    def together(
        self, commit: Commit | Callable[[Result], Commit], keyed: Iterable[str], work: Callable[[Hand], Result], *,
        duck: duckdb.DuckDBPyConnection, conn: Connection,
    ) -> Joint[Result]:  # fmt: skip
        """Do `work` in one transaction whose snapshot carries `commit` (or what it makes of the result); it is done again
        when another writer came first.

        `keyed` are the datasets written by key, held against other keyed writers meanwhile; `conn` is a connection in
        autocommit of the caller's own that holds nothing else. Raises as `upsert` does.
        """
        names = sorted({f"lake.write:{name}" for name in keyed})
        with _alone(conn, names):
            hand, result = retried(", ".join(names) or "lake", lambda: self._once(commit, work, duck))
            changes = {name: one for name, one in hand.changes.items() if one.inserted or one.updated or one.deleted}
            if not changes:
                return Joint(None, {}, result)
            snapshot = number_of(duck, "SELECT id FROM lake.last_committed_snapshot()")
            changes = {name: replace(one, snapshot=snapshot) for name, one in changes.items()}
            with conn.transaction(), conn.cursor() as cursor:
                grown = [{"snapshot": snapshot, "grown": c.inserted - c.deleted, "name": n} for n, c in changes.items()]
                cursor.executemany(NOTE, grown)
        for name, one in changes.items():
            told = {"dataset": name, "snapshot": snapshot, "inserted": one.inserted, "updated": one.updated, "deleted": one.deleted}
            self.city.bus.publish(f"lake.write.{name}", told)
        return Joint(snapshot, changes, result)

    @staticmethod
    def _once(commit: Commit | Callable[[Result], Commit], work: Callable[[Hand], Result], duck: duckdb.DuckDBPyConnection) -> tuple[Hand, Result]:
        hand = Hand(duck)
        with transaction(duck):
            result = work(hand)
            told = commit if isinstance(commit, Commit) else commit(result)
            said = json.dumps(told.position, ensure_ascii=False, default=str)
            duck.execute(SET_MESSAGE, [told.author, told.message, said])
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
