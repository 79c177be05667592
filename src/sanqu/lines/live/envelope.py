"""What a message of a line's stream holds: rows as devices send them, or changes with their place in the source."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import orjson

from sanqu.lines.live import jt808

# Headers of a message: its form, when its rows came to be at the source (ms since 1970), the trace it belongs to.
FORM, AT, TRACE = "Sanqu-Form", "Sanqu-At", "traceparent"
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
CHANGES, TERMINALS = "changes", "jt808"
# Put or change a row; the same with items left out that did not change; take a row out by its key; take all rows out.
Op = Literal["put", "part", "drop", "clear"]
# Where a change stands in its source; what comes later is greater.
Place = tuple[int, ...]
OPS: dict[str, Op] = {one: one for one in get_args(Op)}
LONGEST_SHOWN = 2_000
TOO_DEEP = "[[[[ …"


@dataclass(frozen=True, slots=True)
class Change:
    """One row as it came: what to do with it, its values, its place in the source where that has an order."""

    op: Op
    values: Mapping[str, Any]
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """Text in a message that holds no row."""

    text: str


def new_trace() -> str:
    """A trace of its own for a message that belongs to none (W3C Trace Context, `traceparent`)."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def given_trace(said: str | None) -> str:
    """The trace that somebody says a message belongs to; empty for none, and for what is no `traceparent`."""
    return said if said and TRACEPARENT.fullmatch(said) else ""


def encode_changes(changes: Iterable[Change]) -> bytes:
    """Changes as a message's payload: one JSON array a line."""
    return b"\n".join(orjson.dumps([one.op, one.place, one.values], default=str) for one in changes)


def decode(payload: bytes, form: str | None, items: Mapping[int, str] = {}) -> Iterator[Change | Unread]:
    """What a payload holds, in order; what cannot be read is told and the rest goes on.

    `items` are the names of a terminal maker's own items, where the form is that of vehicle terminals.
    """
    if form == TERMINALS:
        return _decode_frames(payload, items)
    return _decode_changes(payload) if form == CHANGES else _decode_rows(payload)


def _decode_frames(payload: bytes, items: Mapping[int, str]) -> Iterator[Change | Unread]:
    """Messages of vehicle terminals as bytes or, line by line, as hexadecimal digits; what is neither is read as rows."""
    for said in [payload] if payload[:1] == b"\x7e" else payload.split(b"\n"):
        if said[:1] != b"\x7e" and said[:2].lower() != b"7e":
            yield from _decode_rows(said) if said.strip() else ()
            continue
        try:
            frames, _ = jt808.split(said if said[:1] == b"\x7e" else bytes.fromhex(said.decode("ascii")))
            rows = [row for inner in frames for row in jt808.positions_in(jt808.read_frame(inner), items)]
        except ValueError as fault:
            shown = said if said[:1] != b"\x7e" else said.hex().encode()
            yield _unread(shown[:200] + f" ({fault})".encode())
            continue
        yield from (Change("put", row) for row in rows)


def _decode_changes(payload: bytes) -> Iterator[Change | Unread]:
    for line in payload.split(b"\n"):
        try:
            op, place, values = orjson.loads(line)
        except (orjson.JSONDecodeError, ValueError, TypeError):
            yield _unread(line)
            continue
        if isinstance(op, str) and op in OPS and isinstance(values, dict) and _is_place(place):
            yield Change(OPS[op], values, None if place is None else tuple(place))
        else:
            yield _unread(line)


def _is_place(said: Any) -> bool:
    return said is None or (isinstance(said, list) and bool(said) and all(type(part) is int for part in said))


def _decode_rows(payload: bytes) -> Iterator[Change | Unread]:
    """An object, an array of objects, or objects line by line."""
    try:
        yield from _rows_in(orjson.loads(payload))
        return
    except orjson.JSONDecodeError:
        pass
    for line in payload.split(b"\n"):
        if not line.strip():
            continue
        try:
            yield from _rows_in(orjson.loads(line))
        except orjson.JSONDecodeError:
            yield _unread(line)


def _rows_in(value: Any) -> Iterator[Change | Unread]:
    for one in value if isinstance(value, list) else [value]:
        yield Change("put", one) if isinstance(one, dict) else _unread(shown(one).encode())


def shown(value: Any) -> str:
    """A JSON value as people are shown it; reading takes deeper nesting than writing does."""
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:
        return TOO_DEEP


def _unread(text: bytes) -> Unread:
    return Unread(text[:LONGEST_SHOWN].decode("utf-8", "replace"))


def chunked(rows: Sequence[Mapping[str, Any]], most_rows: int, most_bytes: int) -> Iterator[bytes]:
    """Rows as payloads of at most so many rows and, but for a single large row, bytes; the same rows give the same payloads."""
    chunk: list[bytes] = []
    size = 0
    for row in rows:
        said = orjson.dumps(row, default=str)
        if chunk and (len(chunk) >= most_rows or size + len(said) > most_bytes):
            yield b"\n".join(chunk)
            chunk, size = [], 0
        chunk.append(said)
        size += len(said) + 1
    if chunk:
        yield b"\n".join(chunk)
