"""Rows between CKAN's datastore and the lake: types, values, filters and sort orders."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from sanqu.catalog.ckan.call import invalid
from sanqu.ground.i18n import Text
from sanqu.lake.contracts import Contract, Field, quote_ident

# CKAN's (PostgreSQL's) types for ours, and ours for theirs.
TO_CKAN = {
    "string": "text", "integer": "int8", "number": "float8", "boolean": "bool", "date": "date", "time": "time",
    "datetime": "timestamp", "year": "int4", "yearmonth": "text", "object": "json", "array": "json",
    "geopoint": "text", "geojson": "json", "any": "text",
}  # fmt: skip
FROM_CKAN = {
    "text": "string", "varchar": "string", "string": "string", "int": "integer", "int2": "integer", "int4": "integer",
    "int8": "integer", "integer": "integer", "bigint": "integer", "smallint": "integer", "numeric": "number",
    "float": "number", "float4": "number", "float8": "number", "double precision": "number", "real": "number",
    "bool": "boolean", "boolean": "boolean", "date": "date", "time": "time", "timestamp": "datetime",
    "timestamptz": "datetime", "json": "object", "jsonb": "object", "_text": "array", "text[]": "array",
}  # fmt: skip
SORT_CLAUSE = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>[^\s,"]+))(?:\s+(?P<order>asc|desc))?(?:\s+nulls\s+(?P<nulls>first|last))?\s*', re.I)
ROW_ID = "_id"
BIGGEST_INT = 2**63 - 1


def fields_from(said: object, records: Sequence[Mapping[str, Any]]) -> list[Field]:
    """The items that `fields` describes, else those that the records show."""
    if said is None or said == []:
        return _guessed(records)
    if not isinstance(said, list) or not all(isinstance(one, Mapping) for one in said):
        raise invalid(fields='Should be a list of {"id": …, "type": …}')
    fields = []
    for one in said:
        name, kind = str(one.get("id") or ""), str(one.get("type") or "text").lower()
        if name == ROW_ID:
            continue
        if not name or name.startswith("_") or '"' in name:
            raise invalid(fields=f'"{name}" is not a valid field name')
        if kind not in FROM_CKAN:
            raise invalid(fields=f'"{kind}" is not a valid field type')
        info = one.get("info") if isinstance(one.get("info"), Mapping) else {}
        assert isinstance(info, Mapping)
        fields.append(
            Field(
                name=name, type=FROM_CKAN[kind],  # type: ignore[arg-type]
                title=Text(zh=str(info.get("label") or "")), description=Text(zh=str(info.get("notes") or "")),
            )
        )  # fmt: skip
    return fields


def _guessed(records: Sequence[Mapping[str, Any]]) -> list[Field]:
    kinds: dict[str, str] = {}
    for record in records:
        for name, value in record.items():
            if value is None:
                kinds.setdefault(str(name), "")
                continue
            kind = _kind_of(value)
            before = kinds.get(str(name)) or kind
            kinds[str(name)] = kind if before == kind else ("number" if {before, kind} == {"integer", "number"} else "string")
    return [Field(name=name, type=kind or "string") for name, kind in kinds.items() if name != ROW_ID]  # type: ignore[arg-type]


def _kind_of(value: object) -> str:
    for kinds, name in (((bool,), "boolean"), ((int,), "integer"), ((float,), "number"), ((dict, list), "object")):
        if isinstance(value, kinds):
            return name
    return "string"


def value_for(field: Field, value: object, place: str) -> Any:
    """`value` as the lake holds it; a Validation Error naming the field, the value and the place."""
    if value is None or (value == "" and field.type != "string"):
        return None
    try:
        return _converted(field.type, value)
    except (ValueError, TypeError, OverflowError):
        shown = str(value)[:100]
        said = f'invalid value "{shown}" for field "{field.name}" of type {TO_CKAN[field.type]}{place}'
        raise invalid(data=said, **{field.name: said}) from None


def _converted(kind: str, value: Any) -> Any:
    if kind in ("integer", "year"):
        return _whole(value)
    if kind == "number":
        if isinstance(value, bool):
            raise ValueError
        number = float(value)
        if not math.isfinite(number):
            raise ValueError
        return number
    if kind == "boolean":
        return _truth(value)
    if kind == "date":
        return date.fromisoformat(str(value)[:10]) if _is_midnight(str(value)) else date.fromisoformat(str(value))
    if kind == "time":
        return time.fromisoformat(str(value))
    if kind == "datetime":
        at = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        # The lake keeps UTC without a zone.
        return (at - at.utcoffset()).replace(tzinfo=None) if at.tzinfo and at.utcoffset() is not None else at  # type: ignore[operator]
    if kind in ("object", "array", "geojson"):
        return value if isinstance(value, str) and json.loads(value) is not ... else json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    text = value if isinstance(value, str) else str(value)
    if "\x00" in text:
        raise ValueError
    return text


def _whole(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and value != int(value)):
        raise ValueError
    number = int(str(value)) if isinstance(value, str) else int(value)
    if abs(number) > BIGGEST_INT:
        raise ValueError
    return number


def _truth(value: Any) -> bool:
    word = str(value).strip().lower()
    if word in ("true", "t", "yes", "y", "1", "on"):
        return True
    if word in ("false", "f", "no", "n", "0", "off"):
        return False
    raise ValueError


def _is_midnight(value: str) -> bool:
    return value[10:] in ("T00:00:00", " 00:00:00", "T00:00:00Z")


def shown(value: Any) -> Any:
    """A value of the lake as CKAN's JSON shows it."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def where_of(contract: Contract, filters: object, visible: Sequence[str]) -> tuple[list[str], list[Any]]:
    """CKAN's `filters` as conditions and their parameters; unknown fields and unfit values are Validation Errors."""
    if filters in (None, "", {}):
        return [], []
    if isinstance(filters, str):
        try:
            filters = json.loads(filters)
        except ValueError:
            raise invalid(filters="Cannot parse JSON") from None
    if not isinstance(filters, Mapping):
        raise invalid(filters="Not a json object")
    conditions: list[str] = []
    params: list[Any] = []
    for name, said in filters.items():
        values = said if isinstance(said, list) else [said]
        if name == ROW_ID:
            numbers = [value_for(Field(name=ROW_ID, type="integer"), value, "") for value in values]
            conditions.append(f"rowid + 1 IN ({', '.join('?' * len(numbers))})")
            params += numbers
            continue
        if name not in visible:
            raise invalid(filters=f'field "{name}" not in table')
        given = [value_for(contract.field(name), value, "") for value in values]
        solid = [value for value in given if value is not None]
        parts = [f"{quote_ident(name)} IN ({', '.join('?' * len(solid))})"] if solid else []
        parts += [f"{quote_ident(name)} IS NULL"] if len(solid) < len(given) else []
        conditions.append(f"({' OR '.join(parts) or 'false'})")
        params += solid
    return conditions, params


def matching(q: object, visible: Sequence[str]) -> tuple[list[str], list[Any]]:
    """CKAN's `q` (words, or words per field) as conditions: every word must stand somewhere in the row, or field."""
    if q in (None, "", {}):
        return [], []
    if isinstance(q, str) and q.lstrip().startswith("{"):
        try:
            q = json.loads(q)
        except ValueError:
            raise invalid(q="Cannot parse JSON") from None
    pairs: list[tuple[Sequence[str], str]] = []
    if isinstance(q, Mapping):
        for name, words in q.items():
            if name not in visible:
                raise invalid(q=f'field "{name}" not in table')
            pairs += [([name], word) for word in _words(words)]
    else:
        pairs = [(visible, word) for word in _words(q)]
    conditions = []
    params: list[Any] = []
    for names, word in pairs:
        text = ", ".join(f"CAST({quote_ident(name)} AS VARCHAR)" for name in names)
        conditions.append(f"contains(lower(concat_ws(chr(31), {text})), lower(?))")
        params.append(word)
    return conditions, params


def _words(said: object) -> list[str]:
    # `:*`, `&` and `|` are PostgreSQL's, for plain=false; our words match inside anyway.
    return [word.removesuffix(":*") for word in str(said).replace("&", " ").split() if word not in ("|", "")]


def order_of(said: object, visible: Sequence[str]) -> list[str]:
    """CKAN's `sort` as an ORDER BY list."""
    if not said:
        return []
    text = ", ".join(map(str, said)) if isinstance(said, list) else str(said)
    order = []
    for part in re.findall(r'(?:"(?:[^"]|"")*"|[^,"])+', text):
        match = SORT_CLAUSE.fullmatch(part)
        name = (match["quoted"] or "").replace('""', '"') or match["plain"] if match else ""
        if match is None or (name not in visible and name != ROW_ID):
            raise invalid(sort=f'field "{name or part.strip()}" not in table')
        column = "rowid" if name == ROW_ID else quote_ident(name)
        order.append(f"{column} {(match['order'] or 'asc').upper()} NULLS {(match['nulls'] or 'last').upper()}")
    return order
