"""How the catalogue reads rows: through the door, which the room above hangs here; the catalogue has no law of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import duckdb

from sanqu.ground.city import City
from sanqu.ground.errors import Refused, Unavailable
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.lake.contracts import Contract


class Seen(Protocol):
    """A table as one asker may read it now."""

    @property
    def contract(self) -> Contract:
        """The items as they are seen."""

    @property
    def items(self) -> tuple[str, ...]:
        """The items that may be read."""

    def over(self, table: str) -> str:
        """What the asker sees of `table`, as SQL to read from."""

    def prepare(self, duck: duckdb.DuckDBPyConnection) -> None:
        """Make a connection ready for `over`."""


class Looking(Protocol):
    """Decides what an asker may read of a dataset, or of another table that one of its resources has."""

    def __call__(self, city: City, asker: Asker, name: str, *, table: str | None = None) -> Seen:
        """The table as it may be seen; raises `NotFound` or `Refused` with the reason, `Conflict` for a used-up quota."""


class Noting(Protocol):
    """Leaves evidence of a read."""

    def __call__(self, city: City, seen: Any, /, *, via: str, items: Iterable[str], rows: int, query: str = "") -> None:
        """Note what was read."""


@dataclass(frozen=True)
class Door:
    """What the room above gives."""

    look: Looking
    note: Noting


_hung: list[Door] = []


def hang(door: Door) -> None:
    """Give the catalogue its door; the assembled program does it once."""
    _hung[:] = [door]


def door() -> Door:
    """The door; without one no row is read."""
    if not _hung:
        raise Unavailable(
            "catalog.no-door",
            Text(zh="数据之门没有装上，读不到数据行", en="The door is not hung: no row can be read"),
            Text(zh="从 sanqu 命令或网页进入", en="Come in by the sanqu command or the pages"),
        )
    return _hung[0]


def may_see_rows(city: City, asker: Asker, name: str) -> bool:
    """Whether the asker may read anything of the dataset's rows."""
    try:
        door().look(city, asker, name)
    except Refused:
        return False
    return True
