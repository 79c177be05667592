"""One running city in this process: its settings, its database, its bus, and what the rooms make of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from sanqu.ground.bus import Bus
from sanqu.ground.database import Database
from sanqu.ground.settings import Settings

Part = TypeVar("Part")


class City:
    """What every acting function takes first.

    `settings`, `db` and `bus` are the ground's; a room keeps what it opens once per process (the lake, the search
    index) with `part`.
    """

    def __init__(self, settings: Settings, db: Database, bus: Bus) -> None:
        self.settings = settings
        self.db = db
        self.bus = bus
        self._parts: dict[type[Any], Any] = {}
        self._making = threading.RLock()

    def part(self, kind: type[Part], make: Callable[[City], Part]) -> Part:
        """The one `kind` of this process, made by `make(city)` when first asked for."""
        found = self._parts.get(kind)
        if found is None:
            with self._making:
                found = self._parts.get(kind)
                if found is None:
                    found = self._parts[kind] = make(self)
        return found

    def close(self) -> None:
        """Close every part that can be closed, the bus and the database; the last made goes first."""
        for part in reversed(list(self._parts.values())):
            close = getattr(part, "close", None)
            if callable(close):
                close()
        self._parts.clear()
        self.bus.close()
        self.db.close()
