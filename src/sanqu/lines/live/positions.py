"""Where a line stands (进度): in the commits of the lake that hold its rows, and noted beside them so that few must be looked through."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.lake import lake_of
from sanqu.lake.engine import METADATA_SCHEMA
from sanqu.lake.upkeep import needs_snapshots
from sanqu.lines.live.envelope import Place
from sanqu.lines.records import Line

# Commits of live lines are known by their author.
AUTHOR = "live"

NOTED = "SELECT line, position, snapshot FROM live_line WHERE line = ANY(%s)"
SINCE = f"""
SELECT snapshot_id AS snapshot, commit_extra_info AS said FROM {METADATA_SCHEMA}.ducklake_snapshot_changes
WHERE snapshot_id > %s AND author = '{AUTHOR}' ORDER BY snapshot_id
"""
# The first commit that no note knows of: the process that made it died before it noted it.
UNNOTED = f"""
SELECT min(c.snapshot_id) AS first FROM {METADATA_SCHEMA}.ducklake_snapshot_changes c
CROSS JOIN jsonb_object_keys(c.commit_extra_info::jsonb -> 'lines') AS k (line) JOIN live_line l ON l.line = k.line
WHERE c.author = '{AUTHOR}' AND c.snapshot_id > l.snapshot AND c.snapshot_id > (SELECT min(snapshot) FROM live_line)
"""
NOTE = "UPDATE live_line SET position = %(position)s, snapshot = greatest(snapshot, %(snapshot)s), carried = now() WHERE line = %(line)s"


@dataclass(frozen=True)
class Position:
    """The last message that is in the lake: of which stream, its number; and the last change's place in the source.

    `since` is where the line began to follow its source: set by the first load, kept by all after.
    """

    epoch: str = ""
    seq: int = 0
    place: Place | None = None
    since: str = ""
    # Which source (and dataset) the place belongs to: a line that is led to another one begins there anew.
    origin: str = ""
    # How far time has come in each step that waits for it.
    marks: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Position:
        """The position `as_json` gave."""
        place = said.get("place")
        where = tuple(place) if place else None
        return cls(
            str(said.get("epoch", "")), int(said.get("seq", 0)), where, str(said.get("since", "")), str(said.get("origin", "")),
            dict(said.get("marks") or {}),
        )  # fmt: skip

    def place_in(self, line: Line) -> Place | None:
        """The place, if it is one of the source that `line` has now."""
        return self.place if self.origin in ("", line.origin) else None

    def as_json(self) -> dict[str, Any]:
        """The position as a commit carries it."""
        said = {"epoch": self.epoch, "seq": self.seq, "place": list(self.place) if self.place else None, "since": self.since, "origin": self.origin}
        return said | ({"marks": dict(self.marks)} if self.marks else {})


def positions_of(city: City, conn: Connection, lines: Iterable[str]) -> dict[str, Position]:
    """Where each line stands, and a note of it: what was committed but not noted when a process died is found in the lake."""
    wanted = list(lines)
    noted = {str(row["line"]): row for row in conn.execute(NOTED, (wanted,)).fetchall()}
    found = {name: Position.from_json(row["position"]) for name, row in noted.items()}
    first = min((int(row["snapshot"]) for row in noted.values()), default=0)
    later: dict[str, int] = {}
    for row in conn.execute(SINCE, (first,)).fetchall():
        for name, said in json.loads(row["said"] or "{}").get("lines", {}).items():
            if name in noted and int(row["snapshot"]) > int(noted[name]["snapshot"]):
                found[name], later[name] = Position.from_json(said), int(row["snapshot"])
    for name, snapshot in later.items():
        note_positions(conn, {name: found[name]}, snapshot)
    return found


def trace_between(city: City, table: str, after: int, until: int) -> tuple[str, datetime | None]:
    """The trace of the newest rows that lines committed to a table after snapshot `after` up to `until`, and when; empty for none."""
    for one in lake_of(city).commits(AUTHOR, after, until):
        if trace := str(one.position.get("traces", {}).get(table, "")):
            return trace, one.at
    return "", None


@needs_snapshots
def first_unnoted(city: City) -> int | None:
    """The first commit that says where a line stands and is not noted yet: it must not be taken away."""
    row = city.db.one(UNNOTED)
    return int(row["first"]) if row and row["first"] is not None else None


def note_positions(conn: Connection, positions: Mapping[str, Position], snapshot: int | None) -> None:
    """Note where lines stand after a commit (or after a round in which nothing had to change)."""
    rows = [{"line": name, "position": Jsonb(one.as_json()), "snapshot": snapshot or 0} for name, one in positions.items()]
    with conn.cursor() as cursor:
        cursor.executemany(NOTE, rows)
