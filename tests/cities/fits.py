"""Checks of our own, beside those of the lines, that rows fit a contract."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from sanqu.lake.contracts import Contract, Field

PYTHON_TYPES: dict[str, type] = {
    "string": str, "integer": int, "number": float, "boolean": bool, "date": date, "datetime": datetime,
    "year": int, "yearmonth": str,
}  # fmt: skip


def typed(contract: Contract, rows: Iterable[Mapping[str, str]]) -> Iterator[dict[str, Any]]:
    """Text rows (of a CSV file) as values of the contract's types; raises `ValueError` where one does not read."""
    for row in rows:
        assert set(row) == set(contract.names), set(row) ^ set(contract.names)
        yield {item.name: _value(item, row[item.name]) for item in contract.fields if row[item.name] != ""}


def _value(item: Field, text: str) -> Any:
    kind = PYTHON_TYPES[item.type]
    if kind is date:
        return date.fromisoformat(text)
    if kind is bool:
        return {"true": True, "false": False}[text]
    return kind(text)


def faults(contract: Contract, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """What does not fit, in words; an absent or None value is missing."""
    found, keys = [], set()
    for number, row in enumerate(rows, 1):
        found += [f"row {number}: {fault}" for item in contract.fields for fault in _item_faults(item, row.get(item.name))]
        key = tuple(row.get(name) for name in contract.primaryKey)
        if contract.primaryKey and (key in keys or None in key):
            found.append(f"row {number}: key {key} again or incomplete")
        keys.add(key)
    return found


def _item_faults(item: Field, value: Any) -> Iterator[str]:
    rule = item.constraints
    if value is None:
        if rule.required:
            yield f"{item.name} is missing"
        return
    kind = PYTHON_TYPES[item.type]
    if not isinstance(value, kind) and not (kind is float and isinstance(value, int)):
        yield f"{item.name} = {value!r} is no {item.type}"
        return
    if item.type == "yearmonth" and not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", value):
        yield f"{item.name} = {value!r} is no month"
    if rule.minimum is not None and value < rule.minimum:
        yield f"{item.name} = {value!r} < {rule.minimum}"
    if rule.maximum is not None and value > rule.maximum:
        yield f"{item.name} = {value!r} > {rule.maximum}"
    if rule.pattern is not None and not re.fullmatch(rule.pattern, value):
        yield f"{item.name} = {value!r} is not like {rule.pattern}"
    if rule.enum is not None and value not in rule.enum:
        yield f"{item.name} = {value!r} is none of {rule.enum}"
