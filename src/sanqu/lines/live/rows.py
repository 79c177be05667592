"""Rows as text cells of the items they fill: names are matched once for each shape of row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa  # type: ignore[import-untyped]

from sanqu.lake import Contract, Field
from sanqu.lines.binding import folded


def cell_text(value: Any) -> str | None:
    """A JSON value as text that the checks read back as the same value; raises `TypeError` for one nested too deep to be written."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    return orjson.dumps(value, default=str).decode()


class Matcher:
    """Finds for each item the key of a row that fills it: by the line's `columns`, name, alias, title, then whatever the case."""

    def __init__(self, items: Sequence[Field], columns: Mapping[str, str]) -> None:
        self._items = items
        named = {item: column for column, item in columns.items()}
        # An item that was renamed is filled as it was under its old name.
        found = ((item.name, next((named[one] for one in (item.name, *item.aliases) if one in named), None)) for item in items)
        self._named = {name: column for name, column in found if column is not None}
        self._shapes: dict[tuple[str, ...], tuple[str | None, ...]] = {}

    def keys_of(self, shape: tuple[str, ...]) -> tuple[str | None, ...]:
        """For each item the key among `shape` that fills it, or None."""
        found = self._shapes.get(shape)
        if found is None:
            if len(self._shapes) > 1000:
                self._shapes.clear()
            found = self._shapes[shape] = self._match(shape)
        return found

    def _match(self, shape: tuple[str, ...]) -> tuple[str | None, ...]:
        taken: dict[str, str] = {item.name: self._named[item.name] for item in self._items if self._named.get(item.name) in shape}
        for fold in (False, True):
            for item in self._items:
                wanted = {folded(one) if fold else one for one in (item.name, *item.aliases, item.title.zh, item.title.en) if one}
                free = (key for key in shape if key not in taken.values() and (folded(key) if fold else key) in wanted)
                key = None if item.name in taken or item.name in self._named else next(free, None)
                if key is not None:
                    taken[item.name] = key
        return tuple(taken.get(item.name) for item in self._items)

    def cells(self, values: Mapping[str, Any]) -> list[str | None]:
        """The text of each item in a row."""
        return [None if key is None else cell_text(values[key]) for key in self.keys_of(tuple(values))]


def text_table(cells: Iterable[Sequence[str | None]], width: int) -> pa.Table:
    """Text columns `c0`, `c1`, … as the checks take them."""
    columns = list(zip(*cells, strict=True)) or [()] * width
    return pa.table([_texts(column) for column in columns], names=[f"c{index}" for index in range(width)])


def typed_table(rows: Sequence[Mapping[str, Any]], matcher: Matcher, items: Sequence[str], native: Mapping[str, pa.Array]) -> pa.Table:
    """Columns `c0`, `c1`, … of rows of one shape: those of `native` as they are, the others as text."""
    keys = matcher.keys_of(tuple(rows[0]))
    columns = [
        native[item] if item in native else pa.nulls(len(rows), pa.string()) if key is None else _texts([cell_text(row[key]) for row in rows])
        for item, key in zip(items, keys, strict=True)
    ]
    return pa.table(columns, names=[f"c{index}" for index in range(len(items))])


# What a JSON value must be for an item to take it as it is.
_NATIVE: dict[str, tuple[frozenset[type], pa.DataType]] = {
    "number": (frozenset({int, float}), pa.float64()), "integer": (frozenset({int}), pa.int64()), "boolean": (frozenset({bool}), pa.bool_()),
}  # fmt: skip

# A moment as machines write it, without a zone; how people write theirs is read from text.
PLAIN_MOMENT = re.compile(r"(?!0000)\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?", re.ASCII)


def natives(contract: Contract, matcher: Matcher, rows: Sequence[Mapping[str, Any]]) -> dict[str, pa.Array]:
    """The columns whose values all came with the type of their item, so that nobody reads them from text again."""
    shapes = {tuple(row) for row in rows}
    if len(shapes) != 1:
        return {}
    keys = matcher.keys_of(shapes.pop())
    found: dict[str, pa.Array] = {}
    for item, key in zip(contract.fields, keys, strict=True):
        if key is not None and contract.missingValues in ((), ("",)) and (column := _native(item, [row[key] for row in rows])) is not None:
            found[item.name] = column
    return found


def _native(item: Field, values: Sequence[Any]) -> pa.Array | None:
    """The values as the item's own type; None where one of them has to be read from text."""
    try:
        if item.type == "datetime" and item.format in ("default", "any", ""):
            return pa.array(values, pa.string()).cast(pa.timestamp("us")) if all(value is None or _is_plain(value) for value in values) else None
        wanted = _NATIVE.get(item.type)
        return pa.array(values, wanted[1]) if wanted and {type(value) for value in values} - {type(None)} <= wanted[0] else None
    except (pa.ArrowInvalid, OverflowError):
        # A whole number that is larger than the lake's, a thirtieth of February: it is refused as text is.
        return None


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) and PLAIN_MOMENT.fullmatch(value) is not None


def _texts(column: Sequence[str | None]) -> pa.Array:
    try:
        return pa.array(column, pa.string())
    except UnicodeEncodeError:
        # Half of a surrogate pair is no character; JSON can say it all the same.
        mended = [None if one is None else one.encode("utf-8", "replace").decode() for one in column]
        return pa.array(mended, pa.string())
