"""Reads pgoutput, the messages of PostgreSQL's logical replication (protocol version 1, text values).

Source: PostgreSQL documentation, “Logical Replication Message Formats”.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# Microseconds from 1970 to 2000, where PostgreSQL's time begins.
EPOCH_US = 946_684_800_000_000
# What stands for a value that did not change and was not sent.
UNCHANGED = object()


@dataclass(frozen=True)
class Relation:
    """A table as it is described before its first change, and again when its columns changed."""

    oid: int
    schema: str
    name: str
    # How rows are told apart: d by key, f by all columns, i by an index, n not at all.
    identity: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Begin:
    """A transaction begins; `commit` is its place in the log, `at` when it was committed (ms since 1970)."""

    commit: int
    at: int


@dataclass(frozen=True)
class Commit:
    """A transaction is complete; what comes next begins after `end`."""

    commit: int
    end: int


@dataclass(frozen=True)
class RowChange:
    """A row was put in, changed or taken out; `before` is its old key or row where that was sent."""

    kind: Literal["insert", "update", "delete"]
    relation: int
    before: Mapping[str, str | None] | None
    after: Mapping[str, object] | None


@dataclass(frozen=True)
class Truncate:
    """Tables were emptied."""

    relations: tuple[int, ...]


Message = Relation | Begin | Commit | RowChange | Truncate


class Reader:
    """Reads messages; remembers the tables that were described."""

    def __init__(self) -> None:
        self.relations: dict[int, Relation] = {}

    def read(self, data: bytes) -> Message | None:
        """One message; None for kinds that say nothing about rows. Raises `ValueError` for what is no message."""
        try:
            return self._read(data)
        except (struct.error, IndexError, KeyError, UnicodeDecodeError) as fault:
            raise ValueError(f"not a message of pgoutput: {data[:40]!r}") from fault

    def _read(self, data: bytes) -> Message | None:
        kind = data[:1]
        if kind in (b"I", b"U", b"D"):
            return self._row(kind, data)
        if kind == b"B":
            commit, at, _ = struct.unpack_from(">QqI", data, 1)
            return Begin(commit, (at + EPOCH_US) // 1000)
        if kind == b"C":
            _, commit, end, _ = struct.unpack_from(">BQQq", data, 1)
            return Commit(commit, end)
        if kind == b"R":
            relation = _relation(data)
            self.relations[relation.oid] = relation
            return relation
        if kind == b"T":
            count, _ = struct.unpack_from(">IB", data, 1)
            return Truncate(struct.unpack_from(f">{count}I", data, 6))
        if kind in (b"O", b"Y", b"M"):
            return None
        raise ValueError(f"not a message of pgoutput: {data[:40]!r}")

    def _row(self, kind: bytes, data: bytes) -> RowChange:
        oid = struct.unpack_from(">I", data, 1)[0]
        columns = self.relations[oid].columns
        at = 5
        before: dict[str, str | None] | None = None
        if data[at : at + 1] in (b"K", b"O"):
            whole = data[at : at + 1] == b"O"
            old, at = _tuple(data, at + 1)
            keys = columns if whole else self.relations[oid].keys
            before = {name: value for name, value in zip(columns, old, strict=True) if name in keys}  # type: ignore[misc]
        if kind == b"D":
            return RowChange("delete", oid, before, None)
        if data[at : at + 1] != b"N":
            raise ValueError(f"not a message of pgoutput: {data[:40]!r}")
        new, _ = _tuple(data, at + 1)
        after = dict(zip(columns, new, strict=True))
        return RowChange("insert" if kind == b"I" else "update", oid, before, after)


def _tuple(data: bytes, at: int) -> tuple[list[object], int]:
    count = struct.unpack_from(">H", data, at)[0]
    at += 2
    values: list[object] = []
    for _ in range(count):
        kind = data[at]
        at += 1
        if kind == 0x74:  # t: text
            size = int.from_bytes(data[at : at + 4], "big")
            at += 4
            if at + size > len(data):
                raise IndexError
            values.append(data[at : at + size].decode())
            at += size
        elif kind == 0x6E:  # n: NULL
            values.append(None)
        elif kind == 0x75:  # u: unchanged, kept elsewhere by the source
            values.append(UNCHANGED)
        else:
            raise ValueError(f"a value of kind {kind:#x}")
    return values, at


def _relation(data: bytes) -> Relation:
    oid = struct.unpack_from(">I", data, 1)[0]
    schema, at = _text(data, 5)
    name, at = _text(data, at)
    identity = chr(data[at])
    count = struct.unpack_from(">H", data, at + 1)[0]
    at += 3
    columns, keys = [], []
    for _ in range(count):
        flags = data[at]
        column, at = _text(data, at + 1)
        at += 8
        columns.append(column)
        if flags & 1:
            keys.append(column)
    return Relation(oid, schema, name, identity, tuple(columns), tuple(keys))


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1
