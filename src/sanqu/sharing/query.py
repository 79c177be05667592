"""The row API's query language: what a URL asks for, read into plain data and turned into SQL with parameters."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any, Literal

import orjson

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.lake import Contract, Field, quote_ident

Format = Literal["json", "csv", "arrow"]
FORMATS: tuple[Format, ...] = ("json", "csv", "arrow")
OPERATORS = {"eq": "=", "ne": "IS DISTINCT FROM", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
WORD_OPERATORS = ("in", "contains", "startswith", "isnull")
MOST_ROWS = 10_000
RESERVED = frozenset({"limit", "after", "sort", "items", "format", "count", "snapshot", "lang"})
COUNTS = ("none", "exact")


@dataclass(frozen=True)
class Filter:
    """One condition: `item operator value`; `values` holds one value, or several for `in`."""

    item: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """One item to sort by."""

    item: str
    descending: bool = False


@dataclass(frozen=True)
class RowQuery:
    """What the asker wants of a dataset; `after` is the cursor of the page before."""

    items: tuple[str, ...]
    filters: tuple[Filter, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int = 100
    after: str | None = None
    count: bool = False
    format: Format = "json"
    snapshot: int | None = None
    # What tells rows apart that sort alike: the key, or the row number where the asker may not read all of the key.
    ties: tuple[str, ...] = ("rowid",)


@dataclass(frozen=True)
class Place:
    """Where a page ended: the snapshot it was read at and the values it was sorted by."""

    snapshot: int
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Compiled:
    """SQL over the table written `{table}`, and its parameters."""

    rows: str
    params: tuple[Any, ...]
    total: str
    total_params: tuple[Any, ...]
    # Row numbers are the lake's own: a copy of the table has others.
    by_row_number: bool = False


def _bad(name: str, zh: str, en: str) -> BadInput:
    return BadInput(
        "rows.query",
        Text(zh=f"参数 {name} 不合规：{zh}", en=f"The parameter {name} does not fit: {en}"),
        Text(zh="见 /docs 里这个接口的说明", en="See this interface at /docs"),
        name,
    )


def named_in(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The items that URL parameters name: asked for, filtered or sorted by."""
    named: dict[str, None] = {}
    for name, value in pairs:
        if name in ("items", "sort"):
            named |= dict.fromkeys(part.strip().removeprefix("-") for part in value.split(",") if part.strip())
        elif name not in RESERVED:
            named[name.rpartition("__")[0] or name] = None
    return list(named)


def parse_rows_query(pairs: Iterable[tuple[str, str]], contract: Contract, readable: Sequence[str]) -> RowQuery:
    """The query that URL parameters state, over the items the asker may read.

    `item=value`, `item__op=value` filter; `sort=-a,b`, `items=a,b`, `limit`, `after`, `count=exact`, `format`,
    `snapshot` steer. Raises `BadInput` naming the parameter.
    """
    query = RowQuery(items=tuple(readable))
    if contract.primaryKey and set(contract.primaryKey) <= set(readable):
        # The cursor shows what rows are sorted by, so a key that may not be read must not be in it.
        query = replace(query, ties=contract.primaryKey)
    filters: list[Filter] = []
    for name, value in pairs:
        match name:
            case "limit":
                query = replace(query, limit=_whole(name, value, 1, MOST_ROWS))
            case "snapshot":
                query = replace(query, snapshot=_whole(name, value, 0, 2**62))
            case "after":
                query = replace(query, after=value or None)
            case "items":
                query = replace(query, items=_items(name, value, readable))
            case "sort":
                query = replace(query, order=_order(value, readable))
            case "format":
                if value not in FORMATS:
                    raise _bad(name, "可用 json、csv、arrow", "use json, csv or arrow")
                query = replace(query, format=value)
            case "count":
                if value not in COUNTS:
                    raise _bad(name, "可用 exact、none", "use exact or none")
                query = replace(query, count=value == "exact")
            case "lang":
                continue
            case _:
                filters.append(_filter(name, value, contract, readable))
    return replace(query, filters=tuple(filters))


def _whole(name: str, value: str, least: int, most: int) -> int:
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise _bad(name, f"应为 {least} 到 {most} 的整数", f"should be a whole number from {least} to {most}")
    return int(value)


def _items(name: str, value: str, readable: Sequence[str]) -> tuple[str, ...]:
    chosen = tuple(part for part in value.split(",") if part)
    for item in chosen:
        if item not in readable:
            raise _bad(name, f"没有数据项 {item}", f"there is no item {item}")
    if not chosen:
        raise _bad(name, "至少一个数据项", "at least one item")
    return tuple(dict.fromkeys(chosen))


def _order(value: str, readable: Sequence[str]) -> tuple[Order, ...]:
    order = tuple(Order(part.removeprefix("-"), part.startswith("-")) for part in value.split(",") if part)
    for by in order:
        if by.item not in readable:
            raise _bad("sort", f"没有数据项 {by.item}", f"there is no item {by.item}")
    return order


def _filter(name: str, value: str, contract: Contract, readable: Sequence[str]) -> Filter:
    item, operator = (name, "eq") if name in readable else (name.rpartition("__")[0], name.rpartition("__")[2])
    if item not in readable:
        raise _bad(name, f"没有数据项 {item or name}", f"there is no item {item or name}")
    if operator not in OPERATORS and operator not in WORD_OPERATORS:
        raise _bad(name, f"没有运算符 {operator}", f"there is no operator {operator}")
    lake_type = contract.field(item).lake_type
    if operator in ("contains", "startswith") and lake_type != "VARCHAR":
        raise _bad(name, f"{operator} 只用于文本", f"{operator} is for text only")
    if operator == "isnull" and value not in ("true", "false"):
        raise _bad(name, "应为 true 或 false", "should be true or false")
    values = tuple(value.split(",")) if operator == "in" else (value,)
    for one in values:
        _refuse_misfit(name, one, contract.field(item), operator)
    return Filter(item, operator, values)


# How the text of a URL becomes a value of each type; what raises does not fit. The engine reads the same forms.
READERS: dict[str, Callable[[str], object]] = {
    "BIGINT": int, "INTEGER": int, "DOUBLE": float, "DATE": date.fromisoformat, "TIME": time.fromisoformat,
    "TIMESTAMP": datetime.fromisoformat,
}  # fmt: skip
BOOLEANS = ("true", "false", "1", "0", "t", "f")


def _refuse_misfit(name: str, value: str, item: Field, operator: str) -> None:
    if "\0" in value:
        raise _bad(name, "不能含 NUL 字符", "must not hold a NUL character")
    if operator == "isnull" or item.lake_type == "VARCHAR":
        return
    fits = value.lower() in BOOLEANS if item.lake_type == "BOOLEAN" else _reads(READERS[item.lake_type], value)
    if not fits:
        shown = value[:60]
        raise _bad(
            name,
            f"“{shown}”不是 {item.type}（日期写作 2021-06-11，数字不带单位）",
            f"“{shown}” is no {item.type} (dates as 2021-06-11, numbers without a unit)",
        )


def _reads(reader: Callable[[str], object], value: str) -> bool:
    try:
        read = reader(value)
    except ValueError:
        return False
    # The engine's whole numbers end at 64 bits, and it takes no underscores.
    return "_" not in value and (not isinstance(read, int) or -(2**63) <= read < 2**63)


def sort_key(query: RowQuery) -> tuple[Order, ...]:
    """The full order of a query: what was asked, then the key (or the row number), so that no two rows tie."""
    asked = {by.item for by in query.order}
    return (*query.order, *(Order(name) for name in query.ties if name not in asked))


def compile_rows(query: RowQuery, contract: Contract) -> Compiled:
    """SQL for one page (with one row more, to know whether another follows) and for the exact count.

    The sort values of each row come back as `_sanqu_0`, `_sanqu_1` … for the cursor. Values only ever travel as
    parameters. Raises `BadInput` for a cursor that does not belong to this query.
    """
    order = sort_key(query)
    conditions, params = _where(query, contract)
    total = "SELECT count(*) FROM {table}" + (f" WHERE {' AND '.join(conditions)}" if conditions else "")
    total_params = tuple(params)
    if query.after:
        step, step_params = _after(decode_place(query.after, len(order)), order, contract)
        conditions.append(step)
        params.extend(step_params)
    chosen = [quote_ident(item) for item in query.items]
    chosen += [f"{_sortable(by.item)} AS _sanqu_{n}" for n, by in enumerate(order)]
    sql = f"SELECT {', '.join(chosen)} FROM {{table}}"
    sql += f" WHERE {' AND '.join(conditions)}" if conditions else ""
    sql += f" ORDER BY {', '.join(_sorting(by) for by in order)} LIMIT {query.limit + 1}"
    return Compiled(sql, tuple(params), total, total_params, any(by.item == "rowid" for by in order))


def _sortable(item: str) -> str:
    return "rowid" if item == "rowid" else quote_ident(item)


def _sorting(by: Order) -> str:
    return f"{_sortable(by.item)} {'DESC' if by.descending else 'ASC'} NULLS LAST"


def _where(query: RowQuery, contract: Contract) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    params: list[Any] = []
    for wanted in query.filters:
        item, column = contract.field(wanted.item), quote_ident(wanted.item)
        typed = f"CAST(? AS {item.lake_type})"
        if wanted.operator in OPERATORS:
            conditions.append(f"{column} {OPERATORS[wanted.operator]} {typed}")
            params.extend(wanted.values)
        elif wanted.operator == "in":
            conditions.append(f"{column} IN ({', '.join(typed for _ in wanted.values)})")
            params.extend(wanted.values)
        elif wanted.operator == "isnull":
            conditions.append(f"{column} IS {'' if wanted.values[0] == 'true' else 'NOT '}NULL")
        else:
            conditions.append(f"{wanted.operator.replace('startswith', 'starts_with')}({column}, ?)")
            params.extend(wanted.values)
    return conditions, params


def _after(place: Place, order: tuple[Order, ...], contract: Contract) -> tuple[str, list[Any]]:
    """Rows that come after `place` in `order`, nulls last: equal so far, and greater in the next item."""
    branches: list[str] = []
    params: list[Any] = []
    equal: list[str] = []
    equal_params: list[Any] = []
    for by, value in zip(order, place.values, strict=True):
        column = _sortable(by.item)
        typed = "CAST(? AS BIGINT)" if by.item == "rowid" else f"CAST(? AS {contract.field(by.item).lake_type})"
        if value is not None:
            may_be_null = by.item != "rowid" and by.item not in contract.primaryKey
            greater = f"{column} {'<' if by.descending else '>'} {typed}"
            greater = f"({greater} OR {column} IS NULL)" if may_be_null else greater
            branches.append(" AND ".join([*equal, greater]))
            params.extend([*equal_params, value])
            equal.append(f"{column} = {typed}")
            equal_params.append(value)
        else:
            equal.append(f"{column} IS NULL")
    return "(" + " OR ".join(f"({branch})" for branch in branches) + ")" if branches else "false", params


def encode_place(place: Place) -> str:
    """A cursor that a URL can carry."""
    packed = orjson.dumps([place.snapshot, *place.values], default=str)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode_place(cursor: str, length: int) -> Place:
    """The place a cursor names; raises `BadInput` for one that was not made by this query."""
    try:
        snapshot, *values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, TypeError) as fault:
        raise _bad("after", "不是这个接口给出的游标", "is not a cursor that this interface gave") from fault
    if not isinstance(snapshot, int) or len(values) != length:
        raise _bad("after", "游标属于另一种排序", "the cursor belongs to another order")
    return Place(snapshot, tuple(values))
