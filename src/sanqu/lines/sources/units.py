"""The small interface every source speaks: units, what opening one gives, and rows that could not even be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.lake import Contract
from sanqu.lines.checks import Texture
from sanqu.lines.records import Line
from sanqu.lines.sources.reach import Fence


@dataclass(frozen=True)
class Reject:
    """A row that could not be read as columns: where it stands, its text, the rule it breaks."""

    place: Mapping[str, Any]
    raw: str
    rule: str
    want: str = ""


def no_rejects() -> list[Reject]:
    """Nothing was unreadable."""
    return []


@dataclass(frozen=True)
class Reading:
    """An opened unit: text columns `c0`, `c1`, … called `columns` in the source.

    `strict` is SQL that gives the columns and breaks off at what cannot be read; `rows` gives them in the order of the
    source and leaves out what cannot be read, which `rejects()` then tells (once `rows` was read to the end).
    `place` says where the row stands that `rows` gave as the first, second, … (from 1).
    `records` says, when so many were read, how many there must be in all, where that is known by another way.
    """

    columns: tuple[str, ...]
    rows: str
    strict: str
    texture: Texture
    place: Callable[[int], dict[str, Any]]
    rejects: Callable[[], list[Reject]] = no_rejects
    records: Callable[[int], int | None] = lambda _read: None
    large: bool = False
    # Parts the text of a reject into cells, as well as it goes.
    split: Callable[[str], list[str]] | None = None
    notes: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Unit:
    """A part of a source that is carried whole or not at all; `fingerprint` changes when its content does.

    `position` is what an incremental source continues from once this unit is in the lake.
    """

    name: str
    fingerprint: str
    open: Callable[[], AbstractContextManager[Reading]]
    weight: int = 1
    position: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Opening:
    """What a source is opened with: the line, where it stands (`since`), an engine cursor, a folder for temporary files.

    `fence` is what a line of a steward may not reach, None for one that an administrator answers for.
    """

    city: City
    line: Line
    contract: Contract
    duck: duckdb.DuckDBPyConnection
    folder: Path
    since: Mapping[str, Any]
    say: Callable[[Text], None]
    fence: Fence | None = None
