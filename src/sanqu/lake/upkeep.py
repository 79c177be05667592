"""Upkeep of what live lines leave behind: many small files are merged, snapshots of every tenth of a second are thinned."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import SanquError
from sanqu.ground.jobs import job
from sanqu.lake.engine import METADATA_SCHEMA
from sanqu.lake.history import Lake

log = logging.getLogger(__name__)

# When a table has so many files below a size they are merged: the smallest every few seconds where lines are live, larger
# ones every minute, so that no row is written again and again.
MANY_FILES = 12
SMALLEST_BYTES, SMALL_BYTES = 1024**2, 32 * 1024**2
# Snapshots of live lines are kept whole for so long, then one a minute.
WHOLE_HOURS = 2
AT_ONCE = 2_000

FRAGMENTED = f"""
SELECT t.table_name AS name FROM {METADATA_SCHEMA}.ducklake_data_file f
JOIN {METADATA_SCHEMA}.ducklake_table t ON t.table_id = f.table_id AND t.end_snapshot IS NULL
WHERE f.end_snapshot IS NULL AND f.file_size_bytes < %s GROUP BY t.table_name HAVING count(*) >= %s
"""
# Files of which hardly a row still stands: a dataset whose rows change all the time leaves one with every commit, and a scan opens each.
MANY_DEAD, DEAD_SHARE = 8, 0.9
DEAD = f"""
SELECT t.table_name AS name FROM {METADATA_SCHEMA}.ducklake_delete_file d
JOIN {METADATA_SCHEMA}.ducklake_data_file f ON f.data_file_id = d.data_file_id AND f.end_snapshot IS NULL
JOIN {METADATA_SCHEMA}.ducklake_table t ON t.table_id = f.table_id AND t.end_snapshot IS NULL
WHERE d.end_snapshot IS NULL AND d.delete_count >= f.record_count * %s GROUP BY t.table_name HAVING count(*) >= %s
"""
# One of each minute stays, and whatever a dataset is read at, a reader or follower stands at, or its next change needs.
THIN = f"""
WITH live AS (
    SELECT s.snapshot_id AS id, date_trunc('minute', s.snapshot_time) AS minute
    FROM {METADATA_SCHEMA}.ducklake_snapshot s JOIN {METADATA_SCHEMA}.ducklake_snapshot_changes c USING (snapshot_id)
    WHERE c.author = 'live' AND s.snapshot_time < %(before)s AND s.snapshot_id < %(needed)s - 1
)
SELECT id FROM live WHERE id NOT IN (SELECT max(id) FROM live GROUP BY minute)
    AND id NOT IN (SELECT snapshot FROM lake_dataset) ORDER BY id LIMIT %(limit)s
"""

# Rooms that follow the change feed say from which snapshot on they still need it; None for none.
_needs: list[Callable[[City], int | None]] = []


def needs_snapshots(least: Callable[[City], int | None]) -> Callable[[City], int | None]:
    """Register what says which snapshot somebody stands at; none from there on is taken away."""
    _needs.append(least)
    return least


def compact(city: City, below: int = SMALL_BYTES, written: Iterable[str] = ()) -> list[str]:
    """Merge the files below so many bytes of tables that have many, and take away those of which hardly a row still stands; returns the
    tables that were merged. Readers go on meanwhile; who writes a dataset by key waits while just that one is tidied.

    Of the tables `written` lately, rows that lie in PostgreSQL, as those of small commits do, are put into files first.
    """
    lake = city.part(Lake, Lake)
    for name in written:
        _try(name, lake.flush)
    for row in city.db.all(DEAD, (DEAD_SHARE, MANY_DEAD)):
        _try(str(row["name"]), lambda name: lake.rewrite(name, DEAD_SHARE))
    names = [str(row["name"]) for row in city.db.all(FRAGMENTED, (below, MANY_FILES))]
    return [name for name in names if _try(name, lambda name: lake.merge(name, below))]


def _try(name: str, tidy: Callable[[str], None]) -> bool:
    try:
        tidy(name)
    except SanquError as fault:
        # Writers came first; it is tried again soon.
        log.debug("%s was not compacted: %s", name, fault)
        return False
    return True


def thin(city: City) -> int:
    """Take snapshots of live lines away that are older than two hours, but one of each minute; returns how many."""
    lake = city.part(Lake, Lake)
    stands = [at for at in (least(city) for least in _needs) if at is not None]
    wanted = {"before": now() - timedelta(hours=WHOLE_HOURS), "needed": min(stands, default=2**62), "limit": AT_ONCE}
    ids = [int(row["id"]) for row in city.db.all(THIN, wanted)]
    if ids:
        with lake.engine() as duck:
            duck.execute(f"CALL ducklake_expire_snapshots('lake', versions => [{', '.join(map(str, ids))}])")
    return len(ids)


@job("lake.compact", every="* * * * *")
def compact_lake(city: City) -> None:
    """Every minute: small files are merged where there are many."""
    compact(city)


@job("lake.thin", every="41 * * * *")
def thin_lake(city: City) -> None:
    """Every hour: snapshots of live lines are thinned."""
    while thin(city) == AT_ONCE:
        pass
