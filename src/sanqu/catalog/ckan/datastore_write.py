"""CKAN's datastore, written: tables made from given fields, rows added, changed and taken out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from sanqu.catalog.ckan.call import Call, action, denied, invalid
from sanqu.catalog.ckan.datastore import Table, field_dicts, table_for
from sanqu.catalog.ckan.resources import find, resource_create
from sanqu.catalog.ckan.rows import ROW_ID, fields_from, value_for, where_of
from sanqu.catalog.keeping import change
from sanqu.catalog.records import Dataset, Resource
from sanqu.ground.errors import Conflict
from sanqu.lake import Commit, lake_of
from sanqu.lake.contracts import Constraints, Contract, quote_ident
from sanqu.lake.tables import table_of

METHODS = ("upsert", "insert", "update")
ARROW = {
    "VARCHAR": pa.string(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(), "DATE": pa.date32(),
    "TIME": pa.time64("us"), "TIMESTAMP": pa.timestamp("us"), "INTEGER": pa.int32(),
}  # fmt: skip


def _records(call: Call) -> list[Mapping[str, Any]]:
    said = call.data.get("records") or []
    if isinstance(said, str):
        try:
            said = json.loads(said)
        except ValueError:
            raise invalid(records="Cannot parse JSON") from None
    if not isinstance(said, list) or not all(isinstance(one, Mapping) for one in said):
        raise invalid(records="Should be a list of dictionaries")
    return said


def _names(said: object) -> list[str]:
    if not said:
        return []
    return [str(one).strip() for one in (said if isinstance(said, list) else str(said).split(","))]


def _contract(call: Call, name: str, dataset: Dataset, old: Contract | None, records: Sequence[Mapping[str, Any]]) -> Contract:
    """The contract that `fields` and `primary_key` ask for; items that are there already stay.

    Its own law is the strictest: such a table is read only through its resource, under its dataset's law.
    """
    given = fields_from(call.data.get("fields"), records)
    if old is not None:
        wished = {field.name: field for field in given}
        kept = [
            item.model_copy(update={"title": wished[item.name].title, "description": wished[item.name].description})
            if item.name in wished and str(wished[item.name].title)
            else item
            for item in old.fields
        ]
        given = [*kept, *(field for field in given if field.name not in old.names)]
        for item in old.fields:
            wish = wished.get(item.name)
            if call.data.get("fields") and wish is not None and wish.type != item.type:
                raise invalid(fields=f'"{item.name}" is of type {item.type} and cannot become {wish.type}')
    if not given:
        raise invalid(fields="Missing value: give fields, or records to take them from")
    key = _names(call.data.get("primary_key")) or (list(old.primaryKey) if old else [])
    known = {field.name for field in given}
    for one in key:
        if one not in known:
            raise invalid(primary_key=f'field "{one}" not in table')
    fields = [
        item.model_copy(update={"constraints": Constraints(required=True)}) if item.name in key else item for item in given
    ]
    return Contract.from_descriptor(
        {
            "name": name, "title": dataset.title.model_dump(), "steward": dataset.unit, "grade": dataset.grade,
            "opening": "none", "sharing": "none", "primaryKey": key,
            "fields": [field.model_dump(mode="json", exclude_defaults=True) for field in fields],
        }
    )  # fmt: skip


@action(reads=False)
def datastore_create(call: Call) -> dict[str, Any]:
    """Make (or widen) the table of a resource from `fields`, and add `records`; with `primary_key` they are keyed."""
    call.sign_in("datastore_create")
    described = call.data.get("resource")
    id_ = str(call.data.get("resource_id") or "")
    if bool(described) == bool(id_):
        raise invalid(resource="Give either resource (with package_id) or resource_id")
    if described:
        if not isinstance(described, Mapping):
            raise invalid(resource="Should be a dictionary")
        id_ = str(resource_create(replace(call, data=described))["id"])
    with call.city.db.connection() as conn:
        resource, dataset = find(conn, call, id_)
    records = _records(call)
    lake = lake_of(call.city)
    name = resource.lake_table or f"r-{resource.id}"
    _refuse_contract(dataset, name)
    old = lake.contract(name) if lake.has(name) else None

    def attach(_conn: Any, record: Dataset) -> Dataset:
        return replace(record, resources=tuple(_with_table(r, id_, name) for r in record.resources))

    contract = old if old is not None and not call.data.get("fields") and not call.data.get("primary_key") else None
    contract = contract or _contract(call, name, dataset, old, records)
    arrow = _arrow(contract, records)
    # Rights are asked first: `change` refuses whoever does not answer for the dataset.
    change(call.city, str(dataset.id), call.asker, attach)
    try:
        lake.declare(contract, call.asker.label)
    except duckdb.Error as fault:
        # A few names are the engine's own (row_id, begin_snapshot, end_snapshot).
        raise invalid(fields=str(fault).split("\n")[0][:300]) from fault
    with call.city.db.connection() as conn:
        table = table_for(conn, call, id_, write=True)
    if records:
        _write(call, table, arrow, "upsert" if contract.primaryKey else "insert")
    answer: dict[str, Any] = {
        "resource_id": id_, "method": "insert", "fields": field_dicts(contract, contract.names),
        "primary_key": list(contract.primaryKey),
    }  # fmt: skip
    if call.flag("include_records", default=False):
        answer["records"] = records
    return answer


def _with_table(resource: Resource, id_: str, name: str) -> Resource:
    if str(resource.id) != id_:
        return resource
    url = resource.url or f"/datastore/dump/{resource.id}"
    return replace(resource, lake_table=name, url=url, format=resource.format or "CSV")


@action(reads=False)
def datastore_upsert(call: Call) -> dict[str, Any]:
    """Write `records` by `method`: insert, update (all keys must be there), upsert (the default)."""
    call.sign_in("datastore_upsert")
    method = str(call.data.get("method") or "upsert")
    if method not in METHODS:
        raise invalid(method=f'"{method}" is not defined; use one of {", ".join(METHODS)}')
    id_ = call.need("resource_id")
    with call.city.db.connection() as conn:
        table = table_for(conn, call, id_, write=True)
    _refuse_contract(table.dataset, table.contract.name)
    if method != "insert" and not table.contract.primaryKey:
        raise invalid(table="table does not have a unique key defined")
    records = _records(call)
    arrow = _arrow(table.contract, records)
    if records and not call.flag("dry_run"):
        _write(call, table, arrow, method)
    return {"resource_id": id_, "method": method, **({"records": records} if call.flag("include_records") else {})}


def _arrow(contract: Contract, records: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Records as columns, with a column `_given` of the names each record carries; bad values are Validation Errors."""
    known = {item.name: item for item in contract.fields}
    columns: dict[str, list[Any]] = {name: [] for name in known}
    given: list[list[str]] = []
    for number, record in enumerate(records, 1):
        strange = [str(name) for name in record if name not in known and name != ROW_ID]
        if strange:
            raise invalid(records=f'row {number} has extra keys "{", ".join(strange)}"', data=f'unknown field "{strange[0]}" in row {number}')
        for name, item in known.items():
            value = value_for(item, record.get(name), f" in row {number}")
            if value is None and name in contract.primaryKey:
                raise invalid(data=f'the key field "{name}" is empty in row {number}', **{name: "Missing value"})
            columns[name].append(value)
        given.append([str(name) for name in record])
    made = {name: pa.array(values, ARROW[known[name].lake_type]) for name, values in columns.items()}
    return pa.table({**made, "_given": pa.array(given, pa.list_(pa.string()))})


def _write(call: Call, table: Table, arrow: pa.Table, method: str) -> None:
    contract = table.contract
    lake = lake_of(call.city)
    commit = Commit(call.asker.label, f"datastore {method}")
    with lake.engine() as duck:
        duck.register("given_rows", arrow)
        # One record a key: of several the last holds, as when CKAN writes them one after the other.
        source = f"SELECT {_listed(contract.names)} FROM given_rows"
        if contract.primaryKey:
            match = " AND ".join(f"t.{quote_ident(k)} = g.{quote_ident(k)}" for k in contract.primaryKey)
            _stage(duck, contract, match)
            _check_keys(duck, contract, method, match)
            source = f"SELECT {_listed(contract.names)} FROM temp.main.staged_rows"
        try:
            if method == "insert" or not contract.primaryKey:
                lake.append(contract.name, source, commit, duck=duck)
            else:
                lake.upsert(contract.name, source, commit, duck=duck)
        except Conflict as fault:
            raise invalid(records=fault.what.en) from fault


def _listed(names: Sequence[str]) -> str:
    return ", ".join(quote_ident(name) for name in names)


def _refuse_contract(dataset: Dataset, name: str) -> None:
    if dataset.contract == name:
        raise denied(f'"{name}" is filled by its data line under its contract; it is not written here')


def _stage(duck: duckdb.DuckDBPyConnection, contract: Contract, match: str) -> None:
    """Fill what a record leaves out from the row that is there, so that an update changes only what it names."""
    filled = ", ".join(
        f"CASE WHEN list_contains(g._given, {_literal(name)}) OR t.{quote_ident(contract.primaryKey[0])} IS NULL "
        f"THEN g.{quote_ident(name)} ELSE t.{quote_ident(name)} END AS {quote_ident(name)}"
        for name in contract.names
    )
    duck.execute(
        f"CREATE OR REPLACE TEMP TABLE staged_rows AS SELECT {filled} FROM (SELECT *, row_number() OVER () AS _n FROM given_rows) AS g "
        f"LEFT JOIN {table_of(contract.name)} AS t ON {match} "
        f"QUALIFY row_number() OVER (PARTITION BY {', '.join('g.' + quote_ident(k) for k in contract.primaryKey)} ORDER BY g._n DESC) = 1"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _check_keys(duck: duckdb.DuckDBPyConnection, contract: Contract, method: str, match: str) -> None:
    """Inserts must bring new keys, updates known ones."""
    if method == "upsert":
        return
    join = "ANTI" if method == "update" else "SEMI"
    key = ", ".join(f"g.{quote_ident(name)}" for name in contract.primaryKey)
    row = duck.execute(f"SELECT {key} FROM given_rows AS g {join} JOIN {table_of(contract.name)} AS t ON {match} LIMIT 1").fetchone()
    if row is not None:
        named = ", ".join(f"{name}={value}" for name, value in zip(contract.primaryKey, row, strict=True))
        said = f"key ({named}) not found" if method == "update" else f"duplicate key ({named}) already exists"
        raise invalid(key=said, records=said)
    if method == "insert":
        names = _listed(contract.primaryKey)
        double = duck.execute(f"SELECT {names} FROM given_rows GROUP BY {names} HAVING count(*) > 1 LIMIT 1").fetchone()
        if double is not None:
            raise invalid(records=f"duplicate key {double} among the records")


@action(reads=False)
def datastore_delete(call: Call) -> dict[str, Any]:
    """Take out the rows that match `filters`; without filters, the whole table."""
    call.sign_in("datastore_delete")
    id_ = call.need("resource_id")
    with call.city.db.connection() as conn:
        table = table_for(conn, call, id_, write=True)
    lake = lake_of(call.city)
    name = table.contract.name
    _refuse_contract(table.dataset, name)
    filters = call.data.get("filters")
    if filters is None:
        change(
            call.city, str(table.dataset.id), call.asker,
            lambda _conn, old: replace(
                old, resources=tuple(replace(r, lake_table=None) if str(r.id) == id_ else r for r in old.resources)
            ),
        )  # fmt: skip
        lake.drop(name, call.asker.label)
        return {"resource_id": id_}
    conditions, params = where_of(table.contract, filters, table.contract.names)
    where = " AND ".join(conditions) or "true"
    with lake.engine() as duck:
        columns = _listed(table.contract.primaryKey or table.contract.names)
        if table.contract.primaryKey:
            duck.execute(f"CREATE OR REPLACE TEMP TABLE gone_rows AS SELECT {columns} FROM {table_of(name)} WHERE {where}", params)
            lake.delete(name, "FROM temp.main.gone_rows", Commit(call.asker.label, "datastore delete"), duck=duck)
        else:
            duck.execute(
                f"CREATE OR REPLACE TEMP TABLE kept_rows AS SELECT {columns} FROM {table_of(name)} WHERE ({where}) IS NOT TRUE", params
            )
            lake.replace(name, "FROM temp.main.kept_rows", Commit(call.asker.label, "datastore delete"), duck=duck)
    return {"resource_id": id_, "filters": filters}
