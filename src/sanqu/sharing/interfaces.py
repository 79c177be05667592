"""Lookup interfaces (数据接口): a dataset with a key is asked for one row, or a batch of them, by key."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Given

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Refused, Unavailable, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.lake import Contract, lake_of, quote_ident
from sanqu.sharing.mirror import mirror_table
from sanqu.sharing.query import READERS
from sanqu.sharing.views import View

MOST_KEYS = 1000
SAVE = """
INSERT INTO sharing_interface (dataset, cache_seconds, per_minute, actor) VALUES (%s, %s, %s, %s)
ON CONFLICT (dataset) DO UPDATE SET state = 'on', cache_seconds = excluded.cache_seconds, per_minute = excluded.per_minute
"""
TURN_OFF = "UPDATE sharing_interface SET state = 'off' WHERE dataset = %s AND state = 'on' RETURNING dataset"
COLUMNS = "dataset, state, cache_seconds, per_minute, actor, created, snapshot, rows, caught_up"
ONE = f"SELECT {COLUMNS} FROM sharing_interface WHERE dataset = %s"
ALL = f"SELECT {COLUMNS} FROM sharing_interface WHERE state = 'on' ORDER BY dataset LIMIT %s OFFSET %s"
ADD_USES = """
INSERT INTO sharing_interface_use (dataset, hour, found, missed, refused, micros) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (dataset, hour) DO UPDATE SET found = sharing_interface_use.found + excluded.found,
  missed = sharing_interface_use.missed + excluded.missed, refused = sharing_interface_use.refused + excluded.refused,
  micros = sharing_interface_use.micros + excluded.micros
"""
USES = """
SELECT hour, found, missed, refused, micros FROM sharing_interface_use WHERE dataset = %s AND hour > now() - interval '7 days'
ORDER BY hour
"""


class Interface(BaseModel):
    """How a lookup interface behaves: how long answers may be kept, how often one asker may ask."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cache_seconds: int = Given(default=0, ge=0, le=86400)
    per_minute: int = Given(default=6000, ge=1, le=1_000_000)


@dataclass(frozen=True)
class OnRecord:
    """An interface there is, and where its copy stands."""

    dataset: str
    interface: Interface
    on: bool
    snapshot: int | None
    rows: int
    caught_up: datetime | None


def switch_on(conn: Connection, actor: Asker, dataset: str, contract: Contract, interface: Interface) -> None:
    """Make the interface, or change how it behaves; raises `BadInput` for a dataset without a key."""
    if not contract.primaryKey:
        raise BadInput(
            "sharing.no-key",
            Text(zh="没有主键的数据集不能按键查询", en="A dataset without a key cannot be looked up by key"),
            Text(zh="在数据契约里写明 primaryKey", en="State primaryKey in its contract"),
            dataset,
        )
    conn.execute(SAVE, (dataset, interface.cache_seconds, interface.per_minute, actor.label))
    append(
        conn,
        kind="sharing.interface",
        actor=actor.label,
        subject=f"dataset:{dataset}",
        facts=interface.model_dump() | {"on": True},
    )


def switch_off(conn: Connection, actor: Asker, dataset: str) -> None:
    """Close the interface and drop its copy; raises `NotFound`."""
    if conn.execute(TURN_OFF, (dataset,)).fetchone() is None:
        raise not_found(Text(zh="数据接口", en="interface"), dataset)
    conn.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(mirror_table(dataset)))
    conn.execute("UPDATE sharing_interface SET snapshot = NULL, version = NULL, rows = 0 WHERE dataset = %s", (dataset,))
    append(conn, kind="sharing.interface", actor=actor.label, subject=f"dataset:{dataset}", facts={"on": False})


def _record(row: Mapping[str, Any]) -> OnRecord:
    interface = Interface(cache_seconds=row["cache_seconds"], per_minute=row["per_minute"])
    return OnRecord(row["dataset"], interface, row["state"] == "on", row["snapshot"], row["rows"], row["caught_up"])


def interface_of(city: City, dataset: str) -> OnRecord | None:
    """The interface of `dataset`, if it has ever had one."""
    row = city.db.one(ONE, (dataset,))
    return _record(row) if row else None


def list_interfaces(city: City, limit: int = 50, offset: int = 0) -> list[OnRecord]:
    """The interfaces that are on."""
    return [_record(row) for row in city.db.all(ALL, (limit, offset))]


def uses_of_interface(city: City, dataset: str) -> list[dict[str, Any]]:
    """Hour by hour of the last week: found, missed, refused, microseconds in all."""
    return city.db.all(USES, (dataset,))


def parse_key(contract: Contract, said: Sequence[str]) -> tuple[Any, ...]:
    """The key a path or body states, one text for each item of the key; raises `BadInput` naming the item."""
    if len(said) != len(contract.primaryKey):
        raise _bad_key(
            contract,
            ", ".join(contract.primaryKey),
            f"应有 {len(contract.primaryKey)} 段",
            f"it has {len(contract.primaryKey)} parts",
        )
    values = []
    for name, text in zip(contract.primaryKey, said, strict=True):
        kind = contract.field(name).lake_type
        try:
            value = READERS[kind](text) if kind in READERS else text
        except ValueError as fault:
            raise _bad_key(
                contract, name, f"应为 {contract.field(name).type}", f"it should be a {contract.field(name).type}"
            ) from fault
        if "\0" in text or (isinstance(value, int) and not -(2**63) <= value < 2**63):
            raise _bad_key(contract, name, "超出范围", "it is out of range")
        values.append(value)
    return tuple(values)


def _bad_key(contract: Contract, item: str, zh: str, en: str) -> BadInput:
    return BadInput(
        "sharing.key",
        Text(zh=f"键 {item} 不合规：{zh}", en=f"The key {item} does not fit: {en}"),
        Text(zh="按接口说明写键；多段用逗号隔开", en="Write the key as the interface says; parts are separated by commas"),
        contract.name,
    )


def select_by_key(view: View, count: int) -> sql.Composed:
    """The statement that finds `count` keys in the copy; all items, for a mask may need one that is not shown."""
    contract = view.law.contract
    items = sql.SQL(", ").join(map(sql.Identifier, contract.names))
    key = sql.SQL(", ").join(map(sql.Identifier, contract.primaryKey))
    one = sql.SQL("({})").format(sql.SQL(", ").join([sql.Placeholder()] * len(contract.primaryKey)))
    wanted = sql.SQL(", ").join([one] * count)
    return sql.SQL("SELECT {} FROM {} WHERE ({}) IN ({})").format(items, mirror_table(view.dataset.name), key, wanted)


def as_seen(city: City, view: View, rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows of the copy as the asker may see them: only readable items, masked, of rows in scope."""
    names = view.law.contract.names
    if view.basis.bare:
        shown = [(name, names.index(name)) for name in view.items]
        return [{name: row[place] for name, place in shown} for row in rows]
    if not rows:
        return []
    columns = ", ".join(f"CAST(? AS {field.lake_type}) AS {quote_ident(field.name)}" for field in view.law.contract.fields)
    made = " UNION ALL ".join([f"SELECT {columns}, 0 AS rowid"] * len(rows))
    chosen = ", ".join(map(quote_ident, view.items))
    with lake_of(city).engine() as duck:
        view.prepare(duck)
        query = f"SELECT {chosen} FROM {view.over(f'({made})')}"
        found = duck.execute(query, [value for row in rows for value in row]).fetchall()
    return [dict(zip(view.items, row, strict=True)) for row in found]


def look_up(city: City, view: View, keys: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """The rows of these keys as the asker may see them.

    Raises `Refused` where the asker may not read the key, `Unavailable` while the copy is being made for the first time.
    """
    if not may_name_key(view):
        raise _closed_key(view)
    with city.db.connection() as conn, conn.cursor(row_factory=tuple_row) as cursor:
        try:
            rows = cursor.execute(select_by_key(view, len(keys)), [part for key in keys for part in key]).fetchall()
        except psycopg.errors.UndefinedTable as fault:
            raise being_made(view.dataset.name) from fault
    return as_seen(city, view, rows)


def may_name_key(view: View) -> bool:
    """Whether the asker may read the key as it is: who may not would learn by it which row is whose."""
    return all(item in view.items and not view.basis.rules[item].masks for item in view.law.contract.primaryKey)


def _closed_key(view: View) -> Refused:
    key = "、".join(view.law.contract.primaryKey)
    return Refused(
        "sharing.key-closed",
        Text(zh=f"按键查询要能读取键本身：{key}", en=f"To look up by a key one must be allowed to read it: {key}"),
        Text(zh="申请直接读取键，或用行接口按可读的数据项筛选", en="Apply to read the key, or filter rows by items you may read"),
        view.dataset.name,
    )


def being_made(dataset: str) -> Unavailable:
    """The answer while there is no copy yet."""
    return Unavailable(
        "sharing.mirror",
        Text(zh="接口的副本正在建立", en="The copy behind this interface is being made"),
        Text(zh="几秒后再试", en="Try again in a few seconds"),
        dataset,
        facts={"retry_after": 2},
    )


class InterfaceUses:
    """What interfaces were asked, counted in this process until it is written down."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._counted: Counter[tuple[str, datetime, str]] = Counter()
        self._lock = threading.Lock()

    def count(self, dataset: str, what: str, began: float) -> None:
        """One lookup that was `found`, `missed` or `refused`; `began` is the monotonic second it came in."""
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        with self._lock:
            self._counted[dataset, hour, what] += 1
            self._counted[dataset, hour, "micros"] += int((time.monotonic() - began) * 1e6)

    def write_down(self) -> None:
        """Add what was counted to the statistics."""
        with self._lock:
            counted, self._counted = self._counted, Counter()
        if not counted:
            return
        with self._city.db.connection() as conn:
            for dataset, hour in sorted({(name, at) for name, at, _ in counted}):
                amounts = [counted[dataset, hour, what] for what in ("found", "missed", "refused", "micros")]
                conn.execute(ADD_USES, (dataset, hour, *amounts))

    def close(self) -> None:
        """Nothing counted is lost when the city stops."""
        self.write_down()


def interface_uses(city: City) -> InterfaceUses:
    """What this process counts of its interfaces."""
    return city.part(InterfaceUses, InterfaceUses)


def openapi_of(view: View, record: OnRecord, base: str) -> dict[str, Any]:
    """The OpenAPI 3.1 description of one interface, items and all, as this asker sees them."""
    contract = view.contract
    kinds = {"BIGINT": "integer", "INTEGER": "integer", "DOUBLE": "number", "BOOLEAN": "boolean"}
    properties = {
        name: {
            "type": [kinds.get(contract.field(name).lake_type, "string"), "null"],
            "title": contract.field(name).title.zh or name, "description": contract.field(name).description.zh,
        }
        for name in view.items
    }  # fmt: skip
    row = {"type": "object", "properties": properties}
    path = f"/api/share/{view.dataset.name}"
    keys = ",".join(f"{{{name}}}" for name in contract.primaryKey)
    purpose = {"name": "_purpose", "in": "query", "schema": {"type": "string"}, "description": "用途 · what it is for"}
    refusals = {
        code: {"description": words}
        for code, words in (
            ("403", "不允许，说明依据和最小授权 · refused, with clause and smallest grant"),
            ("404", "没有 · none"),
            ("429", "太频繁 · too often"),
        )
    }
    answers = {"200": {"description": "一行 · one row", "content": {"application/json": {"schema": row}}}} | refusals
    many = {
        "200": {
            "description": "多行 · rows",
            "content": {
                "application/json": {"schema": {"type": "object", "properties": {"rows": {"type": "array", "items": row}}}}
            },
        }
    } | refusals
    body = {
        "schema": {"type": "object", "properties": {"keys": {"type": "array", "maxItems": MOST_KEYS, "items": {}}}},
        "example": {"keys": ["…"]},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{view.dataset.title.zh} · {view.dataset.title.en}", "version": str(view.version),
                 "description": f"按键查询 · lookup by {keys}; {record.interface.per_minute}/min"},
        "servers": [{"url": base}],
        "paths": {
            f"{path}/{{key}}": {"get": {"summary": "按键查询 · One row by its key", "parameters": [
                {"name": "key", "in": "path", "required": True, "schema": {"type": "string"}, "description": keys}, purpose], "responses": answers}},
            path: {"post": {"summary": "批量查询 · Rows by their keys", "parameters": [purpose], "requestBody": {"content": {"application/json": body}}, "responses": many}},
        },
    }  # fmt: skip
