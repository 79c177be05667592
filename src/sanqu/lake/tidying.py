"""Tidying one table of the lake: its rows of few go into files, its files are merged and written anew, while readers read it."""

from __future__ import annotations

from typing import Any

from sanqu.ground.database import Connection
from sanqu.lake.engine import METADATA_SCHEMA
from sanqu.lake.together import Together
from sanqu.lake.writes import retried

FLUSH = "CALL ducklake_flush_inlined_data('lake', table_name => ?)"
MERGE = "CALL ducklake_merge_adjacent_files('lake', ?)"
MERGE_BELOW = "CALL ducklake_merge_adjacent_files('lake', ?, max_file_size => ?)"
REWRITE = "CALL ducklake_rewrite_data_files('lake', ?)"
REWRITE_DEAD = "CALL ducklake_rewrite_data_files('lake', ?, delete_threshold => ?)"
ONCE = "SET SESSION ducklake_max_retry_count = 0"
DELETIONS = f"""
SELECT to_regclass('{METADATA_SCHEMA}.ducklake_inlined_delete_' || table_id)::text AS place
FROM {METADATA_SCHEMA}.ducklake_table WHERE table_name = %s AND end_snapshot IS NULL
"""


class Tidying(Together):
    """Tidying, held against writes that change or delete rows: DuckLake (1.5.5) sees no conflict between moving rows and deleting
    few of them, and rows that were deleted or changed meanwhile would stand there again.

    Each raises `Conflict` when other writers kept coming first.
    """

    def flush(self, name: str) -> None:
        """Put the rows and deletions of `name` that lie in PostgreSQL into files."""

        def once() -> None:
            with self.alone(name) as conn, self.engine() as duck:
                # When another commit came first, DuckLake commits a flush once more, but leaves the deletions that it moved where
                # they were too: they count twice, and rows come back. So it may not; all of it is done again.
                if _deletions_wait(conn, name):
                    duck.execute(ONCE)
                duck.execute(FLUSH, [name])

        retried(name, once)

    def merge(self, name: str, below: int | None = None) -> None:
        """Merge the files of `name` that follow each other, or only those below so many bytes."""
        if below is None:
            self._tidy(name, MERGE, name)
        else:
            self._tidy(name, MERGE_BELOW, name, below)

    def rewrite(self, name: str, dead: float | None = None) -> None:
        """Write files of `name` anew of which most rows were deleted, or that share of them (0 to 1)."""
        if dead is None:
            self._tidy(name, REWRITE, name)
        else:
            self._tidy(name, REWRITE_DEAD, name, dead)

    def _tidy(self, name: str, call: str, *values: Any) -> None:
        def once() -> None:
            with self.alone(name), self.engine() as duck:
                duck.execute(call, list(values))

        retried(name, once)


def _deletions_wait(conn: Connection, name: str) -> bool:
    """Whether deletions of rows that lie in files lie in PostgreSQL."""
    row = conn.execute(DELETIONS, (name,)).fetchone()
    return bool(row and row["place"] and conn.execute(f"SELECT 1 FROM {row['place']} LIMIT 1").fetchone())
