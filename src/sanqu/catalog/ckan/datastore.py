"""CKAN's datastore, read: rows of a resource's table in the lake, filtered, searched, sorted and paged."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from sanqu.catalog.audience import tokens_of
from sanqu.catalog.ckan.call import Call, absent, action, denied, invalid, uuid_or_none
from sanqu.catalog.ckan.resources import find
from sanqu.catalog.ckan.rows import ROW_ID, TO_CKAN, matching, order_of, shown, where_of
from sanqu.catalog.reading import Seen, door
from sanqu.catalog.records import Dataset, Resource, dataset_by_key, unit_paths
from sanqu.ground.database import Connection
from sanqu.ground.errors import Refused
from sanqu.lake import lake_of
from sanqu.lake.contracts import Contract, quote_ident
from sanqu.lake.tables import table_of

# CKAN's own limit of rows in one answer.
MOST_RECORDS = 32_000
FORMATS = ("objects", "lists", "csv", "tsv")


@dataclass(frozen=True)
class Table:
    """A table of the datastore: its resource (if it is one's), its dataset, its contract, and the items to be shown."""

    dataset: Dataset
    resource: Resource | None
    contract: Contract
    visible: tuple[str, ...]
    may_write: bool
    seen: Seen


def table_for(conn: Connection, call: Call, id_: str, *, write: bool = False) -> Table:
    """The table of resource `id_` (or of the dataset of that name), if the caller may read (or write) it."""
    resource: Resource | None = None
    if uuid_or_none(id_) is not None:
        resource, dataset = find(conn, call, id_)
        name = resource.lake_table
    else:
        found = dataset_by_key(conn, id_, tokens_of(call.asker))
        if found is None:
            raise absent(f'Not found: Resource "{id_}" was not found.')
        dataset, name = found, found.contract
    if name is None or not lake_of(call.city).has(name):
        raise absent(f'Not found: Resource "{id_}" was not found in the datastore.')
    path = unit_paths(conn, [dataset.unit])[dataset.unit]
    may_write = call.asker.may_steward(path)
    if write and not may_write:
        raise denied(f"User not authorized to change resource {id_}")
    try:
        seen = door().look(call.city, call.asker, dataset.name, table=name)
    except Refused as fault:
        raise denied(f"{fault.what.en}. {fault.todo.en}") from fault
    return Table(dataset, resource, seen.contract, seen.items, may_write, seen)


def _chosen(said: object, visible: Sequence[str]) -> list[str]:
    """The fields to show: as asked for, else the row number and all."""
    if not said:
        return [ROW_ID, *visible]
    names = [str(one).strip().strip('"') for one in (said if isinstance(said, list) else str(said).split(","))]
    for name in names:
        if name not in visible and name != ROW_ID:
            raise invalid(fields=f'field "{name}" not in table')
    return list(dict.fromkeys(names))


def field_dicts(contract: Contract, names: Sequence[str]) -> list[dict[str, Any]]:
    """The fields as CKAN describes them."""
    found: list[dict[str, Any]] = []
    for name in names:
        if name == ROW_ID:
            found.append({"id": ROW_ID, "type": "int"})
            continue
        item = contract.field(name)
        described: dict[str, Any] = {"id": name, "type": TO_CKAN[item.type]}
        info = {"label": str(item.title), "notes": str(item.description)}
        if any(info.values()):
            described["info"] = {key: value for key, value in info.items() if value}
        found.append(described)
    return found


def _as_text(records: Sequence[Sequence[Any]], delimiter: str) -> str:
    lines = io.StringIO()
    csv.writer(lines, delimiter=delimiter, lineterminator="\r\n" if delimiter == "," else "\n").writerows(records)
    return lines.getvalue()


@action(reads=True)
def datastore_search(call: Call) -> dict[str, Any]:
    """Rows of a resource: `filters`, `q`, `fields`, `sort`, `limit`, `offset`, `distinct`, `records_format`."""
    id_ = call.need("resource_id" if call.data.get("resource_id") or not call.data.get("id") else "id")
    style = str(call.data.get("records_format") or "objects")
    if style not in FORMATS:
        raise invalid(records_format=f"Must be one of: {', '.join(FORMATS)}")
    limit, offset = call.number("limit", 100, most=MOST_RECORDS), call.number("offset", 0)
    with call.city.db.connection() as conn:
        table = table_for(conn, call, id_)
    conditions, params = where_of(table.contract, call.data.get("filters"), table.visible)
    matched, words = matching(call.data.get("q"), table.visible)
    where = " AND ".join([*conditions, *matched]) or "true"
    chosen = _chosen(call.data.get("fields"), table.visible)
    distinct = call.flag("distinct")
    if distinct:
        chosen = [name for name in chosen if name != ROW_ID]
    columns = ", ".join(f"rowid + 1 AS {ROW_ID}" if name == ROW_ID else quote_ident(name) for name in chosen)
    order = order_of(call.data.get("sort"), chosen if distinct else table.visible)
    if not distinct:
        order.append("rowid")
    source = (
        f"SELECT {'DISTINCT ' if distinct else ''}{columns} FROM {table.seen.over(table_of(table.contract.name))} WHERE {where}"
    )
    answer: dict[str, Any] = {
        "include_total": call.flag("include_total", True), "limit": limit, "offset": offset, "records_format": style,
        "resource_id": id_, "total_estimation_threshold": None, "fields": field_dicts(table.contract, chosen),
    }  # fmt: skip
    with lake_of(call.city).engine() as duck:
        table.seen.prepare(duck)
        if answer["include_total"]:
            counted = duck.execute(f"SELECT count(*) FROM ({source})", [*params, *words]).fetchone()
            answer |= {"total": counted[0] if counted else 0, "total_was_estimated": False}
        ordered = f" ORDER BY {', '.join(order)}" if order else ""
        rows = duck.execute(f"{source}{ordered} LIMIT ? OFFSET ?", [*params, *words, limit, offset]).fetchall()
    asked = orjson.dumps({name: call.data[name] for name in ("filters", "q", "sort", "fields") if call.data.get(name)}).decode()
    door().note(
        call.city, table.seen, via="datastore", items=[name for name in chosen if name != ROW_ID], rows=len(rows), query=asked
    )
    lists = [[shown(value) for value in row] for row in rows]
    if style == "objects":
        answer["records"] = [dict(zip(chosen, row, strict=True)) for row in lists]
    elif style == "lists":
        answer["records"] = lists
    else:
        answer["records"] = _as_text(lists, "," if style == "csv" else "\t")
    for name in ("filters", "q", "sort", "distinct"):
        if call.data.get(name):
            answer[name] = call.data[name]
    start = urlencode({"resource_id": id_, "limit": limit})
    answer["_links"] = {
        "start": f"/api/3/action/datastore_search?{start}",
        "next": f"/api/3/action/datastore_search?{start}&offset={offset + limit}",
    }
    return answer


def _count(call: Call, table: Table) -> int:
    with lake_of(call.city).engine() as duck:
        table.seen.prepare(duck)
        counted = duck.execute(f"SELECT count(*) FROM {table.seen.over(table_of(table.contract.name))}").fetchone()
    return int(counted[0]) if counted else 0


@action(reads=True)
def datastore_info(call: Call) -> dict[str, Any]:
    """The fields of a resource's table and how many rows it holds."""
    id_ = call.need("id" if call.data.get("id") or not call.data.get("resource_id") else "resource_id")
    with call.city.db.connection() as conn:
        table = table_for(conn, call, id_)
    name = table.contract.name
    fields = [
        {
            **described,
            "schema": {
                "native_type": described["type"],
                "notnull": table.contract.field(described["id"]).constraints.required,
                "uidx": described["id"] in table.contract.primaryKey,
                "is_index": described["id"] in table.contract.primaryKey,
            },
        }
        for described in field_dicts(table.contract, table.visible)
    ]
    meta = {
        "id": id_, "table_type": "BASE TABLE", "count": _count(call, table), "aliases": [name],
        "primary_key": list(table.contract.primaryKey),
    }  # fmt: skip
    return {"meta": meta, "fields": fields, "schema": {f["id"]: f["type"] for f in fields}}
