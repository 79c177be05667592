"""Answers the row API: one page of rows at one snapshot, as JSON, CSV or Arrow."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import duckdb
import orjson
import pyarrow as pa

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, SanquError, Unavailable
from sanqu.ground.i18n import Text
from sanqu.lake import lake_of
from sanqu.lake.hot import hot_copies_of
from sanqu.sharing.cache import Answer, answers_of
from sanqu.sharing.evidence import note_view, rows_left
from sanqu.sharing.query import Compiled, Place, RowQuery, compile_rows, decode_place, encode_place, sort_key
from sanqu.sharing.safe import safe_cell
from sanqu.sharing.views import View

log = logging.getLogger(__name__)

MEDIA = {"json": "application/json", "csv": "text/csv; charset=utf-8", "arrow": "application/vnd.apache.arrow.stream"}


def snapshot_for(view: View, query: RowQuery) -> int:
    """The snapshot a page is read at: that of the page before, the one asked for, else the newest."""
    if query.after:
        return decode_place(query.after, len(sort_key(query))).snapshot
    return query.snapshot if query.snapshot is not None else view.snapshot


def answer_rows(city: City, view: View, query: RowQuery, pairs: Sequence[tuple[str, str]], path: str) -> Answer:
    """The page that `query` asks for; `pairs` and `path` are the request's, for the link to the next page.

    Raises `BadInput` when a value in a filter does not fit its item, or the snapshot has expired.
    """
    left = rows_left(city, view)
    if left is not None:
        query = replace(query, limit=min(query.limit, left))
    snapshot = snapshot_for(view, query)
    compiled = compile_rows(query, view.contract)
    rows, names, total = _run(city, view, compiled, snapshot, query.count)
    width = len(query.items)
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    following = None
    if more:
        cursor = encode_place(Place(snapshot, tuple(rows[-1][width:])))
        kept = [(name, value) for name, value in pairs if name not in ("after", "snapshot")]
        following = f"{path}?{urlencode([*kept, ('after', cursor)])}"
    headers = [("ETag", f'"{snapshot}"'), ("X-Sanqu-Snapshot", str(snapshot))]
    if total is not None:
        headers.append(("X-Total-Count", str(total)))
    if following:
        headers.append(("Link", f'<{following}>; rel="next"'))
    body = _encode(view, query, names[:width], [row[:width] for row in rows], snapshot, total, following)
    if not view.shared_by_all:
        named = {*query.items, *(one.item for one in query.filters), *(by.item for by in query.order)}
        note_view(
            city, view, via="rows", items=named, rows=len(rows), query=urlencode(list(pairs)), result=sha256(body).hexdigest()
        )
    return Answer(body, MEDIA[query.format], tuple(headers))


def _run(
    city: City, view: View, compiled: Compiled, snapshot: int, counted: bool
) -> tuple[list[tuple[Any, ...]], list[str], int | None]:
    contract = view.law.contract
    copy = None if compiled.by_row_number else hot_copies_of(city).table(contract, snapshot)
    if copy is not None:
        try:
            return _run_on(city, view, copy, compiled, snapshot, counted)
        except duckdb.ConversionException as fault:
            raise unreadable(contract.name, snapshot, fault) from fault
        except duckdb.Error as fault:
            # The copy was dropped a moment ago for a newer one, mostly; the lake still has the snapshot.
            log.debug("the copy %s could not be read: %s", copy, fault)
    try:
        table = lake_of(city).at_snapshot(contract.name, snapshot)
        return _run_on(city, view, table, compiled, snapshot, counted)
    except duckdb.Error as fault:
        raise unreadable(contract.name, snapshot, fault) from fault


def _run_on(
    city: City, view: View, table: str, compiled: Compiled, snapshot: int, counted: bool
) -> tuple[list[tuple[Any, ...]], list[str], int | None]:
    table = view.over(table)
    with lake_of(city).engine() as duck:
        view.prepare(duck)
        answered = duck.execute(compiled.rows.replace("{table}", table), list(compiled.params))
        names = [str(column[0]) for column in answered.description or ()]
        rows = answered.fetchall()
        total = _total(city, duck, view.table, compiled, table, snapshot) if counted else None
    return rows, names, total


def _total(city: City, duck: duckdb.DuckDBPyConnection, name: str, compiled: Compiled, table: str, snapshot: int) -> int:
    key = ("count", name, table, snapshot, compiled.total, compiled.total_params)
    kept = answers_of(city).get(key)
    if kept is not None:
        return int(kept.body)
    row = duck.execute(compiled.total.replace("{table}", table), list(compiled.total_params)).fetchone()
    total = int(row[0]) if row else 0
    answers_of(city).put(key, Answer(str(total).encode(), ""))
    return total


def unreadable(name: str, snapshot: int, fault: duckdb.Error) -> SanquError:
    """What the engine's refusal means to the asker; its own words go to the log, for they hold our SQL."""
    log.warning("rows of %s at %s could not be read: %s", name, snapshot, fault)
    if isinstance(fault, duckdb.ConversionException):
        return BadInput(
            "rows.value",
            Text(zh="筛选的值与数据项的类型不符", en="A value of a filter does not fit its item"),
            Text(zh="日期写作 2021-06-11，数字不带单位", en="Write dates as 2021-06-11 and numbers without a unit"),
            name,
        )
    if isinstance(fault, duckdb.BinderException):
        return BadInput(
            "rows.snapshot-items",
            Text(
                zh=f"快照 {snapshot} 里还没有其中的某个数据项", en=f"At snapshot {snapshot} one of these items was not there yet"
            ),
            Text(
                zh="用 items 选当时已有的数据项，或读较新的快照",
                en="Choose items that were, with `items`, or read a newer snapshot",
            ),
            name,
            facts={"snapshot": snapshot},
        )
    if "snapshot" in str(fault).lower() or "does not exist" in str(fault):
        return BadInput(
            "rows.snapshot",
            Text(zh=f"快照 {snapshot} 读不到了", en=f"Snapshot {snapshot} can no longer be read"),
            Text(zh="从第一页重新开始", en="Start again from the first page"),
            name,
            facts={"snapshot": snapshot},
        )
    return Unavailable(
        "rows.engine",
        Text(zh="数据引擎没有答上来", en="The engine could not answer"),
        Text(zh="稍后再试；一直如此请告诉管理员", en="Try again later; if it stays so, tell an administrator"),
        name,
    )


def _encode(
    view: View,
    query: RowQuery,
    names: list[str],
    rows: list[tuple[Any, ...]],
    snapshot: int,
    total: int | None,
    following: str | None,
) -> bytes:
    if query.format == "arrow":
        return _arrow(view, query, rows)
    if query.format == "csv":
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([safe_cell(name) for name in names])
        writer.writerows([[safe_cell(value) for value in row] for row in rows])
        return out.getvalue().encode()
    said: dict[str, Any] = {
        "dataset": view.dataset.name,
        "snapshot": snapshot,
        "sample": view.contract.sample,
        "rows": [dict(zip(names, row, strict=True)) for row in rows],
        "next": following,
    }
    if total is not None:
        said["count"] = total
    return orjson.dumps(said, default=str)


ARROW_TYPES: dict[str, Any] = {
    "VARCHAR": pa.string(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(), "DATE": pa.date32(),
    "TIME": pa.time64("us"), "TIMESTAMP": pa.timestamp("us"), "INTEGER": pa.int32(),
}  # fmt: skip


def _arrow(view: View, query: RowQuery, rows: list[tuple[Any, ...]]) -> bytes:
    fields = [pa.field(item, ARROW_TYPES[view.contract.field(item).lake_type]) for item in query.items]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(fields)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, fields, strict=True)]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema(fields)) as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)))
    return bytes(sink.getvalue())
