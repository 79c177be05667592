"""Mirrors: copies of small keyed datasets beside the cursor of one who writes to them again and again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import duckdb

from sanqu.ground.database import Connection
from sanqu.lake.contracts import quote_ident
from sanqu.lake.tables import table_of

# Datasets of so many rows and fewer are mirrored.
MOST_MIRRORED = 200_000
STANDING = "SELECT name, snapshot, rows FROM lake_dataset WHERE name = ANY(%s)"


class Mirrors:
    """Copies (镜像) of keyed datasets beside the cursor of one who writes to them many times a second: what stands there is
    looked up in the copy, which every write keeps up. To ask the lake for it takes longer than the few rows of a write.

    A copy is good at the snapshot at which the dataset was noted to stand; when another wrote meanwhile it is made anew. Its table is
    TEMP and of the transaction: with the cursor, or a transaction that is undone, it goes back too.
    """

    def __init__(self) -> None:
        self.at: dict[str, int] = {}


class Mirroring:
    """The mirrors that one transaction uses, of datasets held against other keyed writers; `standing` is where those stand."""

    def __init__(self, duck: duckdb.DuckDBPyConnection, mirrors: Mirrors, standing: Mapping[str, tuple[int, int]]) -> None:
        self._duck, self._mirrors, self._standing = duck, mirrors, standing
        self._used: set[str] = set()
        self._spoilt: set[str] = set()

    def of(self, name: str) -> str | None:
        """The mirror of a dataset as SQL; None for one that is too large or not held."""
        snapshot, rows = self._standing.get(name, (0, MOST_MIRRORED + 1))
        if rows > MOST_MIRRORED or name in self._spoilt:
            return None
        table = f"temp.main.{quote_ident(f'_sanqu_mirror_{name}')}"
        # What was never written stands at none, whatever its items are.
        if name not in self._used and (not snapshot or self._mirrors.at.get(name) != snapshot):
            self._duck.execute(f"CREATE OR REPLACE TEMP TABLE {quote_ident(f'_sanqu_mirror_{name}')} AS SELECT * FROM {table_of(name)}")
        self._used.add(name)
        return table

    def kept(self, name: str) -> str | None:
        """The mirror of a dataset that this transaction looked at, as SQL."""
        return self.of(name) if name in self._used else None

    def spoil(self, name: str) -> None:
        """Its mirror says no longer what the dataset does."""
        self._spoilt.add(name)

    def settle(self, changed: Collection[str], snapshot: int) -> None:
        """The transaction is there, and made `snapshot` where it changed a dataset: the mirrors stand where their datasets do now."""
        for name in self._used:
            self._mirrors.at[name] = snapshot if name in changed else self._standing[name][0]
        for name in self._spoilt:
            self._mirrors.at.pop(name, None)


def standing_of(conn: Connection, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """At which snapshot datasets stand, and how many rows they have."""
    found = conn.execute(STANDING, (list(names),)).fetchall()
    return {str(row["name"]): (int(row["snapshot"]), int(row["rows"])) for row in found}
