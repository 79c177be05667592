"""Contracts become tables; a changed contract migrates its table or is refused with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
from psycopg.types.json import Jsonb

from sanqu.ground.database import Connection
from sanqu.ground.errors import Conflict, NotFound
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.lake.contracts import Contract, Field, quote_ident
from sanqu.lake.engine import MAKE_DELETIONS, Engine
from sanqu.lake.forms import keep_forms

# What a value may widen to without losing anything a reader relies on.
WIDENS: dict[str, frozenset[str]] = {
    "year": frozenset({"integer"}),
    "any": frozenset({"string"}),
    "yearmonth": frozenset({"string"}),
    "object": frozenset({"string"}),
    "array": frozenset({"string"}),
    "geopoint": frozenset({"string"}),
    "geojson": frozenset({"string", "object"}),
    "string": frozenset({"any"}),
}

NEWEST = """
SELECT c.version, c.body FROM lake_contract c JOIN lake_dataset d ON d.name = c.name AND d.version = c.version
WHERE c.name = %s
"""
VERSION = "SELECT version, body FROM lake_contract WHERE name = %s AND version = %s"
ADD_VERSION = "INSERT INTO lake_contract (name, version, body, actor) VALUES (%s, %s, %s, %s)"
SET_DATASET = """
INSERT INTO lake_dataset (name, version) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET version = excluded.version, changed = now()
"""
LAST_VERSION = "SELECT coalesce(max(version), 0) AS n FROM lake_contract WHERE name = %s"
READ_AT = "UPDATE lake_dataset SET snapshot = greatest(snapshot, %s) WHERE name = %s AND snapshot > 0"
CURRENT_SNAPSHOT = "SELECT id FROM lake.current_snapshot()"
NAMES = "SELECT name FROM lake_dataset ORDER BY name"
FORGET = "DELETE FROM lake_dataset WHERE name = %s"
WRITE_ALONE = "SELECT pg_advisory_lock(hashtext(%s))"
COLUMNS = "SELECT column_name FROM duckdb_columns() WHERE database_name = 'lake' AND schema_name = 'main' AND table_name = ?"


@dataclass(frozen=True)
class Migration:
    """What a contract change does to its table."""

    renamed: tuple[tuple[str, str], ...] = ()
    added: tuple[Field, ...] = ()
    widened: tuple[Field, ...] = ()
    # Items that must not be empty from now on, and the new key where it changed: rows already there must agree.
    now_required: tuple[str, ...] = ()
    new_key: tuple[str, ...] = ()


def write_lock(name: str) -> str:
    """The name of the lock that holds those who write dataset `name` by key one after the other."""
    return f"lake.write:{name}"


def table_of(name: str) -> str:
    """The table of dataset `name`, as SQL."""
    return f"lake.main.{quote_ident(name)}"


def plan_migration(old: Contract, new: Contract) -> Migration:
    """What takes the table of `old` to `new`; raises `Conflict` naming the item that cannot follow.

    Compatible: items added, titles and law changed, a type widened, an item renamed whose new form lists the old name
    among its aliases. Everything else would break readers.
    """
    before = {item.name: item for item in old.fields}
    after = {item.name: item for item in new.fields}
    renamed: dict[str, str] = {}
    for name in before.keys() - after.keys():
        heir = next((i for i in new.fields if i.name not in before and name in i.aliases), None)
        if heir is None:
            raise _incompatible(new, name, "数据项被删去", "the item was taken away")
        renamed[name] = heir.name
    widened = []
    for name, was in before.items():
        item = after[renamed.get(name, name)]
        if item.type == was.type:
            continue
        if item.type not in WIDENS.get(was.type, frozenset()):
            raise _incompatible(new, name, f"类型 {was.type} 不能变为 {item.type}", f"{was.type} cannot become {item.type}")
        if item.lake_type != was.lake_type:
            widened.append(item)
    added = tuple(item for item in new.fields if item.name not in before and item.name not in renamed.values())
    was_required = {renamed.get(i.name, i.name) for i in old.fields if i.constraints.required}
    required = tuple(i.name for i in new.fields if i.constraints.required and i.name not in was_required)
    old_key = tuple(renamed.get(name, name) for name in old.primaryKey)
    return Migration(tuple(renamed.items()), added, tuple(widened), required, new.primaryKey if new.primaryKey != old_key else ())


def _incompatible(contract: Contract, item: str, zh: str, en: str) -> Conflict:
    return Conflict(
        "lake.contract-conflict",
        Text(zh=f"契约的改动与已有数据不相容：{item}，{zh}", en=f"The change does not fit the data there is: {item}, {en}"),
        Text(
            zh="保留旧项并新增一项；改名时把旧名写进 aliases；或另建数据集",
            en="Keep the old item and add one; for a rename list the old name in aliases; or make another dataset",
        ),
        contract.name,
        facts={"item": item},
    )


class Tables(Engine):
    """Contracts and the tables made from them."""

    def declare(self, contract: Contract, actor: str) -> int:
        """Make the dataset of `contract`, or take it there from the contract it has; returns the contract's version.

        The same contract again changes nothing. Raises `Conflict` naming the item that cannot follow. A crash half-way
        leaves a table that the next `declare` completes.
        """
        with self.city.db.connection() as conn:
            conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"contract:{contract.name}",))
            row = conn.execute(NEWEST, (contract.name,)).fetchone()
            old = Contract.from_descriptor(row["body"]) if row else None
            if row and old == contract:
                return int(row["version"])
            moved_to: int | None = None
            with self.engine() as duck:
                if old is None:
                    _create(duck, contract)
                    conn.execute(MAKE_DELETIONS)
                else:
                    plan = plan_migration(old, contract)
                    with self.alone(contract.name) as own:
                        keep_forms(own, contract.name)
                        _migrate(duck, contract, plan)
                    if plan.renamed or plan.added or plan.widened:
                        # Readers read at the snapshot noted; the one before has not these items.
                        found = duck.execute(CURRENT_SNAPSHOT).fetchone()
                        moved_to = int(found[0]) if found else None
            last = conn.execute(LAST_VERSION, (contract.name,)).fetchone()
            version = (int(last["n"]) if last else 0) + 1
            conn.execute(ADD_VERSION, (contract.name, version, Jsonb(contract.descriptor()), actor))
            conn.execute(SET_DATASET, (contract.name, version))
            if moved_to is not None:
                conn.execute(READ_AT, (moved_to, contract.name))
            append(conn, kind="lake.contract", actor=actor, subject=f"dataset:{contract.name}", facts={"version": version})
        return version

    @contextmanager
    def alone(self, name: str) -> Iterator[Connection]:
        """Keyed writes to `name` and changes of its items one after the other: two who bring the same new key would both add it,
        for the lake sees no conflict between two that only add rows. Gives the connection that holds the others off, in autocommit."""
        with self.city.db.own_connection() as conn:
            conn.execute(WRITE_ALONE, (write_lock(name),))
            yield conn

    def contract(self, name: str, version: int | None = None) -> Contract:
        """The contract of dataset `name`, the newest or one `version`; raises `NotFound`."""
        query, params = (NEWEST, (name,)) if version is None else (VERSION, (name, version))
        row = self.city.db.one(query, params)
        if row is None:
            raise NotFound(
                "lake.no-dataset",
                Text(zh="数据湖里没有这个数据集", en="The lake has no such dataset"),
                Text(zh="核对名称；或先登记它的契约", en="Check the name; or declare its contract first"),
                name if version is None else f"{name} v{version}",
            )
        return Contract.from_descriptor(row["body"])

    def has(self, name: str) -> bool:
        """Whether the lake has a dataset `name`."""
        return self.city.db.one(NEWEST, (name,)) is not None

    def contracts(self) -> list[str]:
        """The names of all datasets in the lake."""
        return [str(row["name"]) for row in self.city.db.all(NAMES)]

    def drop(self, name: str, actor: str = "system") -> None:
        """Take a dataset out of the lake; its files go when its snapshots expire, its contract versions stay on record."""
        with self.city.db.connection() as conn:
            conn.execute(FORGET, (name,))
            append(conn, kind="lake.drop", actor=actor, subject=f"dataset:{name}")
            with self.engine() as duck:
                duck.execute(f"DROP TABLE IF EXISTS {table_of(name)}")


def _create(duck: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    columns = ", ".join(f"{quote_ident(item.name)} {item.lake_type}" for item in contract.fields)
    table = table_of(contract.name)
    duck.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
    there = {str(row[0]) for row in duck.execute(COLUMNS, [contract.name]).fetchall()}
    if there != set(contract.names):
        # A table that an earlier declaration left without its record: nothing was ever written to it.
        duck.execute(f"DROP TABLE {table}")
        duck.execute(f"CREATE TABLE {table} ({columns})")


def _migrate(duck: duckdb.DuckDBPyConnection, contract: Contract, plan: Migration) -> None:
    table = table_of(contract.name)
    there = {str(row[0]) for row in duck.execute(COLUMNS, [contract.name]).fetchall()}
    there_after = {dict(plan.renamed).get(name, name) for name in there}
    back = {new: old for old, new in plan.renamed if old in there}
    for name in plan.now_required:
        _refuse_empty(duck, contract, back.get(name, name), name in there_after)
    if plan.new_key:
        _refuse_doubles(duck, contract, tuple(back.get(name, name) for name in plan.new_key))
    duck.execute("BEGIN")
    for old, new in plan.renamed:
        if old in there:
            duck.execute(f"ALTER TABLE {table} RENAME COLUMN {quote_ident(old)} TO {quote_ident(new)}")
    for item in plan.added:
        if item.name not in there:
            duck.execute(f"ALTER TABLE {table} ADD COLUMN {quote_ident(item.name)} {item.lake_type}")
    for item in plan.widened:
        duck.execute(f"ALTER TABLE {table} ALTER COLUMN {quote_ident(item.name)} SET DATA TYPE {item.lake_type}")
    duck.execute("COMMIT")


def _refuse_empty(duck: duckdb.DuckDBPyConnection, contract: Contract, column: str, exists: bool) -> None:
    table = table_of(contract.name)
    condition = f"{quote_ident(column)} IS NULL" if exists else "true"
    row = duck.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()
    if row and row[0]:
        raise _incompatible(
            contract, column, f"已有 {row[0]} 行为空，不能改为必填", f"{row[0]} rows are empty, it cannot be required"
        )


def _refuse_doubles(duck: duckdb.DuckDBPyConnection, contract: Contract, key: tuple[str, ...]) -> None:
    columns = ", ".join(quote_ident(name) for name in key)
    query = f"SELECT count(*) FROM (SELECT 1 FROM {table_of(contract.name)} GROUP BY {columns} HAVING count(*) > 1)"
    row = duck.execute(query).fetchone()
    if row and row[0]:
        raise _incompatible(contract, " + ".join(key), f"有 {row[0]} 个键重复", f"{row[0]} keys stand there twice")
