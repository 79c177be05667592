"""Writing to the lake: appends, keyed upserts, deletes, whole replacement; one transaction and one snapshot each."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from dataclasses import field as default
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from sanqu.ground.errors import BadInput, Conflict, Unavailable
from sanqu.ground.i18n import Text
from sanqu.lake.contracts import Contract, quote_ident
from sanqu.lake.keys import all_differ
from sanqu.lake.tables import Tables, table_of

Result = TypeVar("Result")

TRIES = 12
CONFLICT_SIGNS = ("conflict", "Failed to commit", "could not serialize", "deadlock")
HALF_WRITTEN = re.compile(r'Could not write file "([^"]+/ducklake-[0-9a-f-]+\.parquet)"')
# The link to PostgreSQL broke: whether the commit went through before that, nobody here knows.
LOST_SIGNS = ("server closed the connection", "terminating connection", "connection to server", "no connection to the server",
              "could not receive data", "could not send data")  # fmt: skip
PASSWORD = re.compile(r"password='(?:[^'\\]|\\.)*'")
NOTE_WRITE = "UPDATE lake_dataset SET changed = now(), snapshot = greatest(snapshot, %s), rows = %s WHERE name = %s"


@dataclass(frozen=True)
class Commit:
    """Who writes and why; `position` (JSON) rides in the snapshot, so it is there if and only if the rows are."""

    author: str
    message: str = ""
    position: dict[str, Any] = default(default_factory=dict)


@dataclass(frozen=True)
class CommitSeen:
    """A commit found in the history."""

    snapshot: int
    at: datetime
    position: dict[str, Any]


@dataclass(frozen=True)
class Change:
    """What a write did; `snapshot` is the one it made, or the one that stood when nothing had to change."""

    snapshot: int
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0


def number_of(duck: duckdb.DuckDBPyConnection, query: str) -> int:
    """The one number that `query` gives; 0 for none."""
    row = duck.execute(query).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def table_from(contract: Contract, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table with the contract's items, in its order; what a row does not have is empty."""
    return pa.table({name: pa.array([row.get(name) for row in rows], None if rows else pa.string()) for name in contract.names})


class Writes(Tables):
    """Writes, each retried when another writer came first."""

    def append(self, name: str, source_sql: str, commit: Commit, *, duck: duckdb.DuckDBPyConnection) -> Change:
        """Add the rows of `source_sql` (a SELECT on `duck` giving the contract's columns by name)."""
        columns = self._columns(name)
        insert = f"INSERT INTO {table_of(name)} ({columns}) SELECT {columns} FROM ({source_sql})"
        return self._write(name, commit, duck, lambda: {"inserted": number_of(duck, insert)})

    def replace(self, name: str, source_sql: str, commit: Commit, *, duck: duckdb.DuckDBPyConnection) -> Change:
        """Make the rows of `source_sql` the whole content of the dataset."""
        columns = self._columns(name)
        clear = f"DELETE FROM {table_of(name)}"
        insert = f"INSERT INTO {table_of(name)} ({columns}) SELECT {columns} FROM ({source_sql})"

        def swap() -> dict[str, int]:
            deleted = number_of(duck, clear)
            return {"deleted": deleted, "inserted": number_of(duck, insert)}

        with self.alone(name):
            return self._write(name, commit, duck, swap)

    def upsert(
        self,
        name: str,
        source_sql: str,
        commit: Commit,
        *,
        duck: duckdb.DuckDBPyConnection,
        keys_are_unique: bool = False,
    ) -> Change:
        """Add or change rows by the contract's key; rows that are already so are not written again.

        Raises `BadInput` when the dataset has no key, or a key stands twice in the source (unless the caller knows
        that it does not and says `keys_are_unique`).
        """
        contract = self.contract(name)
        if not contract.primaryKey:
            raise BadInput(
                "lake.no-key",
                Text(zh="这个数据集没有主键，不能按键更新", en="The dataset has no key to write by"),
                Text(zh="在契约里声明 primaryKey，或改用追加", en="Declare a primaryKey in the contract, or append"),
                name,
            )
        merge = _Merge(name, contract.names, contract.primaryKey, source_sql)

        def write() -> dict[str, int]:
            if number_of(duck, f"SELECT count(*) FROM {table_of(name)}") == 0:
                inserted = number_of(duck, merge.insert_all)
                # Looked for in what was just written: that is quicker than working the source out a second time.
                if inserted and not keys_are_unique:
                    self._refuse_double_keys(name, f"SELECT * FROM {table_of(name)}", contract.primaryKey, duck)
                return {"inserted": inserted}
            if not keys_are_unique:
                self._refuse_double_keys(name, source_sql, contract.primaryKey, duck)
            total = number_of(duck, f"SELECT count(*) FROM ({source_sql})")
            duck.execute(merge.find_delta)
            known = number_of(duck, "SELECT count(*) FROM temp.main._sanqu_delta WHERE _sanqu_known")
            fresh = number_of(duck, "SELECT count(*) FROM temp.main._sanqu_delta WHERE NOT _sanqu_known")
            if known:
                duck.execute(merge.merge_delta)
            elif fresh:
                duck.execute(merge.insert_delta)
            duck.execute("DROP TABLE temp.main._sanqu_delta")
            return {"inserted": fresh, "updated": known, "unchanged": total - known - fresh}

        with self.alone(name):
            return self._write(name, commit, duck, write)

    def delete(self, name: str, keys_sql: str, commit: Commit, *, duck: duckdb.DuckDBPyConnection) -> Change:
        """Take out the rows whose key is among those of `keys_sql` (a SELECT giving the key's columns)."""
        key = self.contract(name).primaryKey
        match = " AND ".join(f"t.{quote_ident(k)} = s.{quote_ident(k)}" for k in key)
        query = f"DELETE FROM {table_of(name)} AS t USING ({keys_sql}) AS s WHERE {match}"
        with self.alone(name):
            return self._write(name, commit, duck, lambda: {"deleted": number_of(duck, query)})

    def settle(self, name: str, rows: pa.Table, commit: Commit, *, within: pa.Table | None = None, keep: bool = False) -> Change:
        """Let the dataset hold just `rows`, by its key: what is already so is not written again, what is no longer there goes.

        With `within` (columns of the key), only rows with those keys may go; with `keep`, none goes. Values are cast to the contract's types.
        """
        contract = self.contract(name)
        columns = ", ".join(f"CAST({quote_ident(item.name)} AS {item.lake_type}) AS {quote_ident(item.name)}" for item in contract.fields)
        keys = ", ".join(quote_ident(one) for one in contract.primaryKey)
        with self.engine() as duck:
            duck.register("_sanqu_rows", rows)
            duck.register("_sanqu_within", within if within is not None else pa.table({"none": [0]}))
            try:
                put = self.upsert(name, f"SELECT {columns} FROM _sanqu_rows", commit, duck=duck)
                looked = f"SELECT {keys} FROM {table_of(name)}" + ("" if within is None else f" SEMI JOIN _sanqu_within USING ({keys})")
                gone = f"{looked} EXCEPT SELECT {keys} FROM (SELECT {columns} FROM _sanqu_rows)"
                if keep or duck.execute(f"SELECT 1 FROM ({gone}) LIMIT 1").fetchone() is None:
                    return put
                taken = self.delete(name, gone, commit, duck=duck)
                return replace(put, snapshot=taken.snapshot, deleted=taken.deleted)
            finally:
                duck.unregister("_sanqu_rows")
                duck.unregister("_sanqu_within")

    def _columns(self, name: str) -> str:
        return ", ".join(quote_ident(item) for item in self.contract(name).names)

    def _write(self, name: str, commit: Commit, duck: duckdb.DuckDBPyConnection, write: Callable[[], dict[str, int]]) -> Change:
        def once() -> dict[str, int]:
            with transaction(duck):
                duck.execute(
                    "CALL lake.set_commit_message(?, ?, extra_info => ?)",
                    [commit.author, commit.message, json.dumps(commit.position, ensure_ascii=False, default=str)],
                )
                return write()

        # Only what the transaction undoes is tried again; what follows its commit is not.
        counts = retried(name, once)
        if not (counts.get("inserted") or counts.get("updated") or counts.get("deleted")):
            return Change(self.current_snapshot(duck), **counts)
        snapshot = number_of(duck, "SELECT id FROM lake.last_committed_snapshot()")
        rows = number_of(duck, f"SELECT count(*) FROM {table_of(name)}")
        with self.city.db.connection() as conn:
            conn.execute(NOTE_WRITE, (snapshot, rows, name))
        self.city.bus.publish(f"lake.write.{name}", {"dataset": name, "snapshot": snapshot, **counts})
        return Change(snapshot, **counts)

    def current_snapshot(self, duck: duckdb.DuckDBPyConnection) -> int:
        """The newest snapshot of the lake."""
        return number_of(duck, "SELECT id FROM lake.current_snapshot()")

    def _refuse_double_keys(self, name: str, source_sql: str, key: tuple[str, ...], duck: duckdb.DuckDBPyConnection) -> None:
        columns = ", ".join(quote_ident(k) for k in key)
        if all_differ(duck, source_sql, key):
            return
        query = f"SELECT {columns}, count(*) FROM ({source_sql}) GROUP BY {columns} HAVING count(*) > 1 LIMIT 1"
        row = duck.execute(query).fetchone()
        if row is not None:
            shown = ", ".join(f"{k}={v}" for k, v in zip(key, row[:-1], strict=True))
            raise BadInput(
                "lake.key-twice",
                Text(zh=f"同一个主键出现 {row[-1]} 次：{shown}", en=f"One key stands {row[-1]} times: {shown}"),
                Text(zh="去掉重复的行后重试", en="Take out the doubled rows and try again"),
                name,
                facts={"key": {k: str(v) for k, v in zip(key, row[:-1], strict=True)}},
            )


class _Merge:
    """The statements of a keyed upsert of `source` into dataset `name`."""

    def __init__(self, name: str, columns: tuple[str, ...], key: tuple[str, ...], source: str) -> None:
        table = table_of(name)
        listed = ", ".join(quote_ident(c) for c in columns)
        match = " AND ".join(f"t.{quote_ident(k)} = s.{quote_ident(k)}" for k in key)
        others = [c for c in columns if c not in key]
        differs = " OR ".join(f"t.{quote_ident(c)} IS DISTINCT FROM s.{quote_ident(c)}" for c in others) or "false"
        absent = f"t.{quote_ident(key[0])} IS NULL"
        sets = ", ".join(f"{quote_ident(c)} = s.{quote_ident(c)}" for c in others)
        given = ", ".join(f"s.{quote_ident(c)}" for c in columns)
        self.insert_all = f"INSERT INTO {table} ({listed}) SELECT {listed} FROM ({source})"
        self.find_delta = (
            f"CREATE OR REPLACE TEMP TABLE _sanqu_delta AS SELECT s.*, NOT ({absent}) AS _sanqu_known "
            f"FROM (SELECT {listed} FROM ({source})) AS s LEFT JOIN {table} AS t ON {match} WHERE {absent} OR ({differs})"
        )
        self.insert_delta = f"INSERT INTO {table} ({listed}) SELECT {listed} FROM temp.main._sanqu_delta"
        self.merge_delta = (
            f"MERGE INTO {table} AS t USING (SELECT {listed} FROM temp.main._sanqu_delta) AS s ON {match} "
            f"WHEN MATCHED THEN UPDATE SET {sets} WHEN NOT MATCHED THEN INSERT ({listed}) VALUES ({given})"
        )


@contextmanager
def transaction(duck: duckdb.DuckDBPyConnection) -> Any:
    """One transaction of the engine: committed at the end of the `with`, rolled back when it raises."""
    duck.execute("BEGIN")
    try:
        yield
        duck.execute("COMMIT")
    except BaseException:
        # After a failed COMMIT there may be nothing left to roll back.
        with suppress(duckdb.Error):
            duck.execute("ROLLBACK")
        raise


def retried(name: str, once: Callable[[], Result]) -> Result:
    """Run `once`, again when another writer came first; raises `Conflict` or `Unavailable` when it will not go."""
    for attempt in range(TRIES):
        try:
            return once()
        except duckdb.Error as fault:
            said = PASSWORD.sub("password='***'", str(fault))
            if any(sign in said for sign in LOST_SIGNS):
                raise Unavailable(
                    "lake.commit-unsure",
                    Text(zh="写入时与数据库的连接断了", en="The link to the database broke during the write"),
                    Text(
                        zh="重跑即可：已写入的会认出来，不会写两次",
                        en="Run again: what was written is recognised and not written twice",
                    ),
                    name,
                ) from fault
            if any(sign in said for sign in CONFLICT_SIGNS) and attempt < TRIES - 1:
                time.sleep(random.uniform(0.005, 0.02) * 1.6**attempt)
                continue
            if any(sign in said for sign in CONFLICT_SIGNS):
                raise Conflict(
                    "lake.busy",
                    Text(zh="别的写入一直在先", en="Other writers kept coming first"),
                    Text(zh="稍后再试", en="Try again later"),
                    name,
                ) from fault
            _remove_half_written(said)
            raise _said_by_engine(name, said) from fault
    raise AssertionError("unreachable")


def _remove_half_written(said: str) -> None:
    """Remove the file that the engine says it could not finish; it is in no snapshot and only takes the room that lacks."""
    named = HALF_WRITTEN.search(said)
    if named is not None:
        with suppress(OSError):
            Path(named[1]).unlink()


def _said_by_engine(name: str, said: str) -> Unavailable | BadInput:
    if "No space left" in said or "Could not write" in said or "disk" in said.lower():
        return Unavailable(
            "lake.disk-full",
            Text(zh="磁盘写不下了", en="The disk is full"),
            Text(
                zh="腾出空间后重跑；已写入的数据没有改变", en="Free some space and run again; what was written stands unchanged"
            ),
            name,
            facts={"engine": said[:500]},
        )
    return BadInput(
        "lake.refused",
        Text(zh=f"写不进数据集：{said[:300]}", en=f"The dataset cannot be written: {said[:300]}"),
        Text(zh="核对数据与契约", en="Check the data against the contract"),
        name,
    )
