"""Reading the lake: rows now or at a snapshot, the list of snapshots, the change feed, and upkeep."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, SanquError
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.lake.contracts import quote_ident
from sanqu.lake.engine import METADATA_SCHEMA, sql_text
from sanqu.lake.forms import unlist_forms
from sanqu.lake.tables import table_of
from sanqu.lake.tidying import Tidying
from sanqu.lake.writes import CommitSeen

log = logging.getLogger(__name__)

BATCH_ROWS = 8192

LAST_COMMIT = f"""
SELECT c.snapshot_id AS snapshot, s.snapshot_time AS at, c.commit_extra_info AS position
FROM {METADATA_SCHEMA}.ducklake_snapshot_changes c JOIN {METADATA_SCHEMA}.ducklake_snapshot s USING (snapshot_id)
WHERE c.author = %s AND c.snapshot_id > %s ORDER BY c.snapshot_id DESC LIMIT 1
"""
COMMITS = f"""
SELECT c.snapshot_id AS snapshot, s.snapshot_time AS at, c.commit_extra_info AS position
FROM {METADATA_SCHEMA}.ducklake_snapshot_changes c JOIN {METADATA_SCHEMA}.ducklake_snapshot s USING (snapshot_id)
WHERE c.author = %s AND c.snapshot_id > %s AND c.snapshot_id <= %s ORDER BY c.snapshot_id DESC LIMIT %s
"""
SNAPSHOTS = f"""
SELECT s.snapshot_id AS id, s.snapshot_time AS at, c.author, c.commit_message AS message, c.commit_extra_info AS position
FROM {METADATA_SCHEMA}.ducklake_snapshot s JOIN {METADATA_SCHEMA}.ducklake_snapshot_changes c USING (snapshot_id)
WHERE s.snapshot_id >= %(first)s
  AND EXISTS (SELECT 1 FROM unnest(%(tables)s::text[]) AS t (id)
              WHERE c.changes_made ~ ('(^|,)(inserted_into_table|deleted_from_table|inlined_insert|inlined_delete|altered_table|compacted_table):' || t.id || '(,|$)'))
ORDER BY s.snapshot_id DESC LIMIT %(limit)s
"""
COMMITTED = f"SELECT snapshot_time AS at FROM {METADATA_SCHEMA}.ducklake_snapshot WHERE snapshot_id = %s"
NEWEST = f"SELECT max(snapshot_id) AS snapshot FROM {METADATA_SCHEMA}.ducklake_snapshot"
CHANGED_SINCE = f"""
SELECT min(s.snapshot_time) AS at
FROM {METADATA_SCHEMA}.ducklake_snapshot s JOIN {METADATA_SCHEMA}.ducklake_snapshot_changes c USING (snapshot_id)
WHERE c.snapshot_id > %(after)s
  AND EXISTS (SELECT 1 FROM unnest(%(tables)s::text[]) AS t (id)
              WHERE c.changes_made ~ ('(^|,)(inserted_into_table|deleted_from_table|inlined_insert|inlined_delete):' || t.id || '(,|$)'))
"""
TABLE_IDS = (
    f"SELECT table_id, begin_snapshot FROM {METADATA_SCHEMA}.ducklake_table WHERE table_name = %s AND end_snapshot IS NULL"
)
# Datasets and what else lies in the lake.
TABLES = f"SELECT table_name AS name FROM {METADATA_SCHEMA}.ducklake_table WHERE end_snapshot IS NULL ORDER BY table_name"

# Datasets that changed after the snapshot noted for them: a process died between the lake's commit and the note.
UNNOTED = f"""
WITH touched AS (
    SELECT m[2]::bigint AS table_id, max(c.snapshot_id) AS snapshot
    FROM {METADATA_SCHEMA}.ducklake_snapshot_changes c,
         regexp_matches(c.changes_made,
             '(inserted_into_table|deleted_from_table|inlined_insert|inlined_delete|altered_table):(\\d+)', 'g') AS m
    GROUP BY 1
)
SELECT d.name, touched.snapshot, s.snapshot_time AS at
FROM touched
JOIN {METADATA_SCHEMA}.ducklake_table l ON l.table_id = touched.table_id AND l.end_snapshot IS NULL
JOIN {METADATA_SCHEMA}.ducklake_snapshot s ON s.snapshot_id = touched.snapshot
JOIN lake_dataset d ON d.name = l.table_name
WHERE touched.snapshot > d.snapshot
"""
NOTE_FOUND = """
UPDATE lake_dataset SET snapshot = greatest(snapshot, %s), changed = greatest(changed, %s), rows = %s WHERE name = %s
"""
# A dataset that rested is read at a snapshot that is about to go; it stands unchanged in the newest one too.
READ_AT_NEWEST = f"""
UPDATE lake_dataset SET snapshot = (SELECT max(snapshot_id) FROM {METADATA_SCHEMA}.ducklake_snapshot)
WHERE snapshot > 0 AND snapshot < coalesce(
    (SELECT min(snapshot_id) FROM {METADATA_SCHEMA}.ducklake_snapshot WHERE snapshot_time >= %s),
    (SELECT max(snapshot_id) FROM {METADATA_SCHEMA}.ducklake_snapshot))
"""
# Longer than any reader remembers which snapshot a dataset is at.
REMEMBERED_SECONDS = 1.0


@dataclass(frozen=True)
class Snapshot:
    """One state of the lake in which a dataset changed."""

    id: int
    at: datetime
    author: str
    message: str
    position: dict[str, Any]


class Lake(Tidying):
    """The lake of this process: everything a room may do with it."""

    def last_commit(self, author: str, after: int | None = None) -> CommitSeen | None:
        """The newest commit by `author` after snapshot `after`, with the position it carried."""
        # Opening the lake makes its tables; a city that never wrote has none yet.
        self._opened()
        row = self.city.db.one(LAST_COMMIT, (author, after if after is not None else -1))
        return CommitSeen(int(row["snapshot"]), row["at"], json.loads(row["position"] or "{}")) if row else None

    def commits(self, author: str, after: int, until: int, limit: int = 50) -> list[CommitSeen]:
        """Commits by `author` after snapshot `after` up to `until`, the newest first, each with the position it carried."""
        self._opened()
        rows = self.city.db.all(COMMITS, (author, after, until, limit))
        return [CommitSeen(int(row["snapshot"]), row["at"], json.loads(row["position"] or "{}")) for row in rows]

    def snapshots(self, name: str, limit: int = 100) -> list[Snapshot]:
        """The snapshots in which dataset `name` changed, the newest first."""
        self._opened()
        tables = self.city.db.all(TABLE_IDS, (name,))
        first = min((int(row["begin_snapshot"]) for row in tables), default=0)
        wanted = {"tables": [str(row["table_id"]) for row in tables], "first": first, "limit": limit}
        return [
            Snapshot(int(r["id"]), r["at"], r["author"] or "", r["message"] or "", json.loads(r["position"] or "{}"))
            for r in self.city.db.all(SNAPSHOTS, wanted)
        ]

    def committed_at(self, snapshot: int) -> datetime | None:
        """When a snapshot of the lake was committed; None for one that is kept no longer."""
        self._opened()
        row = self.city.db.one(COMMITTED, (snapshot,))
        at: datetime | None = row["at"] if row else None
        return at

    def newest(self) -> int:
        """The newest snapshot of the whole lake."""
        self._opened()
        row = self.city.db.one(NEWEST)
        return int(row["snapshot"] or 0) if row else 0

    def changed_since(self, name: str, after: int) -> datetime | None:
        """When the oldest change of dataset `name` after snapshot `after` was committed; None where nothing changed."""
        self._opened()
        tables = [str(row["table_id"]) for row in self.city.db.all(TABLE_IDS, (name,))]
        row = self.city.db.one(CHANGED_SINCE, {"tables": tables, "after": after})
        return row["at"] if row else None

    def at_snapshot(self, name: str, snapshot: int | None) -> str:
        """The table of `name` as SQL, now (None, or 0 for one never written) or as it stood at `snapshot`."""
        return table_of(name) if not snapshot else f"{table_of(name)} AT (VERSION => {int(snapshot)})"

    def count(self, name: str, snapshot: int | None = None) -> int:
        """How many rows dataset `name` holds."""
        with self.engine() as duck, _travelling(name, snapshot):
            row = duck.execute(f"SELECT count(*) FROM {self.at_snapshot(name, snapshot)}").fetchone()
            return int(row[0]) if row else 0

    @contextmanager
    def read(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        *,
        where: str = "",
        params: Sequence[Any] = (),
        order: str = "",
        limit: int | None = None,
        snapshot: int | None = None,
    ) -> Iterator[pa.RecordBatchReader]:
        """Rows of `name` as Arrow batches for as long as the `with` lasts.

        `where` and `order` are SQL over the items, written by a room and never by an asker; values go in `params`.
        """
        # None is all items; no items at all is nobody's wish, and must never be taken for all.
        chosen = "*" if columns is None else ", ".join(quote_ident(c) for c in columns) or "NULL AS nothing"
        query = f"SELECT {chosen} FROM {self.at_snapshot(name, snapshot)}"
        query += f" WHERE {where}" if where else ""
        query += f" ORDER BY {order}" if order else ""
        query += f" LIMIT {int(limit)}" if limit is not None else ""
        with self.engine() as duck, _travelling(name, snapshot):
            yield duck.execute(query, list(params)).to_arrow_reader(BATCH_ROWS)

    def changes(self, name: str, start: int, end: int) -> pa.Table:
        """The change feed of `name` from snapshot `start` to `end`, both included.

        Besides the items: `snapshot_id`, `rowid`, `change_type` (insert, delete, update_preimage, update_postimage).
        """
        with self.engine() as duck, _travelling(name, end):
            query = f"FROM lake.table_changes({sql_text(name)}, {int(start)}, {int(end)}) ORDER BY snapshot_id, rowid"
            return duck.execute(query).to_arrow_table()

    def catch_up(self) -> list[str]:
        """Note what was written to the lake but not noted, and return those datasets; cheap when there is nothing."""
        self._opened()
        found = self.city.db.all(UNNOTED)
        for row in found:
            rows = self.count(str(row["name"]))
            with self.city.db.connection() as conn:
                conn.execute(NOTE_FOUND, (row["snapshot"], row["at"], rows, row["name"]))
        return [str(row["name"]) for row in found]

    def maintain(self, keep_days: int | None = None) -> None:
        """Write inlined rows out, merge small files, expire snapshots past their days, remove files nobody needs.

        The newest snapshot always stays. Readers go on meanwhile; who writes a dataset by key waits while just that one is tidied.
        """
        days = keep_days if keep_days is not None else self.city.settings.keep_snapshots_days
        self.catch_up()
        self._tidy_all()
        with self.engine() as duck:
            oldest = now() - timedelta(days=days)
            with self.city.db.connection() as conn:
                conn.execute(READ_AT_NEWEST, (oldest,))
            time.sleep(REMEMBERED_SECONDS)
            duck.execute("CALL ducklake_expire_snapshots('lake', older_than => ?)", [oldest])
            # Readers that started before may still hold files of expired snapshots: an hour is longer than any read.
            duck.execute("CALL ducklake_cleanup_old_files('lake', older_than => ?)", [now() - timedelta(hours=1)])
            # What a killed process left half-written belongs to no snapshot; a day is longer than any write.
            duck.execute("CALL ducklake_delete_orphaned_files('lake', older_than => ?)", [now() - timedelta(days=1)])

    def _tidy_all(self) -> None:
        with self.city.db.own_connection() as conn:
            unlist_forms(conn)
        for row in self.city.db.all(TABLES):
            name = str(row["name"])
            try:
                self.flush(name)
                self.merge(name)
                self.rewrite(name)
            except SanquError as fault:
                log.warning("%s is tidied another night: %s", name, fault)


@job("lake.maintain", every="17 3 * * *")
def maintain_lake(city: Any) -> None:
    """Nightly upkeep of the lake."""
    city.part(Lake, Lake).maintain()


@contextmanager
def _travelling(name: str, snapshot: int | None) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as fault:
        if snapshot is None or ("snapshot" not in str(fault).lower() and "does not exist" not in str(fault)):
            raise
        raise BadInput(
            "lake.no-snapshot",
            Text(zh=f"没有快照 {snapshot}，或它已过期", en=f"There is no snapshot {snapshot}, or it has expired"),
            Text(zh="从版本列表里选一个", en="Choose one from the list of versions"),
            name,
            facts={"snapshot": snapshot},
        ) from fault
