"""The lake: contracts become tables; keyed writes, snapshots, time travel, the change feed (DuckLake, DuckDB)."""

from __future__ import annotations

from sanqu.ground.city import City
from sanqu.lake.contracts import Constraints, Contract, Field, quote_ident
from sanqu.lake.history import Lake, Snapshot
from sanqu.lake.mirrors import Mirrors
from sanqu.lake.together import Hand, Joint
from sanqu.lake.writes import Change, Commit, CommitSeen, table_from

__all__ = [
    "Change", "Commit", "CommitSeen", "Constraints", "Contract", "Field", "Hand", "Joint", "Lake", "Mirrors", "Snapshot", "lake_of", "quote_ident",
    "table_from",
]  # fmt: skip


def lake_of(city: City) -> Lake:
    """The lake of this process, opened when first asked for."""
    return city.part(Lake, Lake)
