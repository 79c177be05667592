"""Copies of snapshots that are read over and over, in DuckDB's own format with an index on the key.

A query on DuckLake first asks PostgreSQL which files make up the snapshot; a copy spares that and is sorted by key. A
snapshot never changes, so a copy is never stale: it is either of the snapshot that is asked for, or not used.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import deque
from dataclasses import dataclass, field

import duckdb

from sanqu.ground.city import City
from sanqu.lake.contracts import Contract, quote_ident
from sanqu.lake.engine import sql_text
from sanqu.lake.history import Lake

log = logging.getLogger(__name__)

# A dataset is hot when it was read this often within so many seconds.
READS, WITHIN_SECONDS = 16, 10.0
MOST_ROWS = 10_000_000
IDLE_SECONDS = 600.0


@dataclass
class _Heat:
    """How often a dataset was read lately, and the copy there is of it."""

    reads: deque[float] = field(default_factory=lambda: deque(maxlen=READS))
    snapshot: int | None = None
    table: str = ""
    used: float = 0.0
    building: bool = False
    # A snapshot that was too large or failed to copy is not tried again.
    refused: int | None = None


class HotCopies:
    """The copies of this process; they lie in its temporary folder and go with it."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._heat: dict[str, _Heat] = {}
        self._lock = threading.Lock()
        self._attached = False
        self._folder = city.settings.home.resolve() / "tmp" / f"hot-{id(self)}"

    def table(self, contract: Contract, snapshot: int) -> str | None:
        """The copy of `snapshot` as SQL, or None while there is none; frequent reading has one made."""
        if not contract.primaryKey or not snapshot:
            return None
        at = time.monotonic()
        with self._lock:
            heat = self._heat.setdefault(contract.name, _Heat())
            heat.reads.append(at)
            heat.used = at
            if heat.snapshot == snapshot:
                return heat.table
            often = len(heat.reads) == READS and heat.reads[0] > at - WITHIN_SECONDS
            newer = heat.snapshot is None or snapshot > heat.snapshot
            if not (often and newer) or heat.building or heat.refused == snapshot:
                return None
            heat.building = True
        threading.Thread(target=self._build, args=(contract, snapshot), name="sanqu-hot", daemon=True).start()
        return None

    def _build(self, contract: Contract, snapshot: int) -> None:
        lake = self._city.part(Lake, Lake)
        name = quote_ident(f"{contract.name}@{snapshot}")
        made = False
        try:
            with lake.engine() as duck:
                self._attach(duck)
                self._cool(duck)
                if lake.count(contract.name, snapshot) <= MOST_ROWS:
                    key = ", ".join(quote_ident(item) for item in contract.primaryKey)
                    source = lake.at_snapshot(contract.name, snapshot)
                    duck.execute(f"CREATE TABLE hot.main.{name} AS SELECT * FROM {source} ORDER BY {key}")
                    duck.execute(f"CREATE INDEX {quote_ident(f'key@{contract.name}@{snapshot}')} ON hot.main.{name} ({key})")
                    made = True
        except duckdb.Error:
            log.warning("no hot copy of %s at %s", contract.name, snapshot, exc_info=True)
        with self._lock:
            heat = self._heat[contract.name]
            heat.building = False
            before, heat.refused = heat.table, None if made else snapshot
            if made:
                heat.snapshot, heat.table = snapshot, f"hot.main.{name}"
        if made and before:
            with lake.engine() as duck:
                duck.execute(f"DROP TABLE IF EXISTS {before}")

    def _attach(self, duck: duckdb.DuckDBPyConnection) -> None:
        with self._lock:
            if not self._attached:
                self._folder.mkdir(parents=True, exist_ok=True)
                duck.execute(f"ATTACH {sql_text(str(self._folder / 'hot.duckdb'))} AS hot")
                self._attached = True

    def _cool(self, duck: duckdb.DuckDBPyConnection) -> None:
        """Drop copies that nobody reads any more."""
        with self._lock:
            idle = [h for h in self._heat.values() if h.table and h.used < time.monotonic() - IDLE_SECONDS]
            tables = [heat.table for heat in idle]
            for heat in idle:
                heat.snapshot, heat.table = None, ""
        for table in tables:
            duck.execute(f"DROP TABLE IF EXISTS {table}")

    def close(self) -> None:
        """Remove the copies."""
        shutil.rmtree(self._folder, ignore_errors=True)


def hot_copies_of(city: City) -> HotCopies:
    """The hot copies of this process."""
    # The lake is made first, so that it is closed last.
    city.part(Lake, Lake)
    return city.part(HotCopies, HotCopies)
