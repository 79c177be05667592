"""How live lines stand, as everybody sees it: waiting, loading, flowing, or stopped with the cause and the next try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import SanquError, not_found
from sanqu.ground.i18n import Text
from sanqu.lines import keeping
from sanqu.lines.live.envelope import Place
from sanqu.lines.live.positions import Position
from sanqu.lines.records import Line, RunState

COUNTED = ("read", "inserted", "updated", "unchanged", "collapsed", "refused")
COLUMNS = "line, lane, state, cause, next_try, tries, position, source, carried, backlog, changed"

LIVE_LINES = """
SELECT l.body, d.version + coalesce(b.versions, 0) AS version, k.state, k.next_try FROM lines_line l JOIN live_line k ON k.line = l.name
JOIN lake_dataset d ON d.name = l.dataset LEFT JOIN LATERAL (
    SELECT sum(o.version)::int AS versions FROM jsonb_array_elements(l.body -> 'steps') s JOIN lake_dataset o ON o.name = s ->> 'into'
) b ON true WHERE l.enabled ORDER BY l.name
"""
SET_STATE = """
UPDATE live_line SET state = %s, cause = NULL, next_try = NULL, tries = CASE WHEN %s = 'flowing' THEN 0 ELSE tries END,
    changed = now() WHERE line = %s AND (state <> %s OR cause IS NOT NULL)
"""
STOP = """
UPDATE live_line SET state = 'stopped', cause = %s, tries = tries + 1, next_try = now() + %s, changed = now() WHERE line = %s
RETURNING tries
"""
TRIES = "SELECT tries FROM live_line WHERE line = %s"
LEFT = "SELECT id FROM lines_run WHERE line = %s AND state = 'running'"
CUT_OFF = "UPDATE lines_run SET state = 'cut-off', ended = now() WHERE id = ANY(%s)"
SET_SOURCE = "UPDATE live_line SET source = source || %s WHERE line = %s"
# On which leg of a line's way something went wrong: from its source, at the line itself (the bus), into the lake.
Leg = Literal["in", "line", "out"]
# Whoever meets these, it is the bus that is away, or the carrying that is behind.
LEGS: dict[str, Leg] = {"live.bus-away": "line", "live.overtaken": "line", "live.row-large": "line", "live.behind": "out"}
# Clocks that differ by less are said to agree.
CLOCK_MS = 2_000
# The first tries come quickly; what does not mend is tried every minute.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0


@dataclass(frozen=True)
class Standing:
    """One live line as it stands; `cause` is the error (zh, en) of one that stopped."""

    line: str
    lane: str
    state: str
    cause: dict[str, Any] | None
    next_try: datetime | None
    tries: int
    position: dict[str, Any]
    source: dict[str, Any]
    carried: datetime | None
    backlog: int
    changed: datetime


@dataclass(frozen=True)
class Wanted:
    """A live line that should flow; `version` is its contract's, or the sum of those of all datasets that it fills."""

    line: Line
    version: int
    state: str
    next_try: datetime | None

    def is_due(self, at: datetime) -> bool:
        """Whether it may be tried (again) at `at`."""
        return self.next_try is None or self.next_try <= at


def wanted_lines(city: City) -> list[Wanted]:
    """Every live line that should flow."""
    return [Wanted(Line.from_descriptor(r["body"]), int(r["version"]), str(r["state"]), r["next_try"]) for r in city.db.all(LIVE_LINES)]


def standing_of(city: City, name: str) -> Standing:
    """How the line called `name` stands; raises `NotFound` for one that is not live."""
    row = city.db.one(f"SELECT {COLUMNS} FROM live_line WHERE line = %s", (name,))
    if row is None:
        raise not_found(Text(zh="实时专线", en="live line"), name)
    return Standing(**row)


def standings(city: City) -> dict[str, Standing]:
    """How every live line stands, by name."""
    return {str(row["line"]): Standing(**row) for row in city.db.all(f"SELECT {COLUMNS} FROM live_line ORDER BY line")}


def ways_of(city: City, name: str) -> list[dict[str, Any]]:
    """The last rounds of a line with the moments (ms) of their rows' way, the oldest first."""
    row = city.db.one("SELECT ways FROM live_line WHERE line = %s", (name,))
    return list(row["ways"]) if row else []


def set_state(city: City, name: str, state: str) -> None:
    """A line is `waiting`, `loading` or `flowing` from now on."""
    with city.db.connection() as conn:
        conn.execute(SET_STATE, (state, state, name, state))


def say_flowing(city: City, name: str) -> None:
    """A line flows from now on, unless it is being loaded: whoever loads it waits for it to be let go, and says itself when it flows."""
    with city.db.connection() as conn:
        conn.execute(SET_STATE + " AND state <> 'loading'", ("flowing", "flowing", name, "flowing"))


def stop(city: City, name: str, fault: SanquError, leg: Leg, pause: float | None = None) -> None:
    """A line stopped on a `leg` of its way; it is tried again after `pause` seconds, or ever later while it does not mend."""
    cause = fault.record() | {"leg": LEGS.get(fault.code, leg)}
    with city.db.connection() as conn:
        row = conn.execute(TRIES, (name,)).fetchone()
        tries = int(row["tries"]) if row else 0
        wait = pause if pause is not None else min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(tries, 8))
        conn.execute(STOP, (Jsonb(cause), timedelta(seconds=wait), name))
    told = {"line": name, "state": "stopped", "cause": cause}
    city.bus.publish(f"lines.live.{name}", told)


def keep_source(city: City, name: str, **said: Any) -> None:
    """Keep what the source's side of a line must remember."""
    with city.db.connection() as conn:
        conn.execute(SET_SOURCE, (Jsonb(said), name))


def note_clock(city: City, name: str, ahead: int) -> None:
    """Keep that a clock of the source is `ahead` of ours by so many ms (less than none: behind); what is within two seconds is forgotten."""
    keep_source(city, name, clock={"ms": ahead, "at": now().isoformat()} if abs(ahead) > CLOCK_MS else None)


def begin_run(city: City, conn: Connection, line: Line) -> int:
    """Write down that somebody begins to carry `line`; a run left by a process that is gone was cut off."""
    with conn.transaction():
        left = [int(row["id"]) for row in conn.execute(LEFT, (line.name,)).fetchall()]
        conn.execute(CUT_OFF, (left,))
        return keeping.start_run(conn, line, "live", left[-1] if left else None, 0)


def end_run(city: City, run: int, totals: Mapping[str, int], fault: SanquError | None) -> None:
    """Write down that nobody carries the line any more, and what the run did."""
    counts = {name: int(totals.get(name, 0)) for name in COUNTED}
    counts["quarantined"] = counts.pop("refused")
    with city.db.connection() as conn:
        values = {**counts, "units": 0, "skipped": 0, "snapshot": None, "notes": Jsonb([]), "run": run}
        conn.execute(keeping.ADD_TO_RUN, values)
        keeping.end_run(conn, run, RunState.FAILED if fault else RunState.DONE, fault.record() if fault else None)


def is_loaded(one: Standing, line: Line) -> bool:
    """Whether the first load of the source that `line` has now was done."""
    return bool(one.source.get("loaded")) and one.source.get("origin", line.origin) == line.origin


def place_of(one: Standing, line: Line) -> Place | None:
    """The place up to which the changes of the source that `line` has now are in the lake."""
    return Position.from_json(one.position).place_in(line)


def is_behind(one: Standing, at: datetime | None = None) -> bool:
    """Whether rows wait that nobody carried for some seconds."""
    since = one.carried or one.changed
    return one.backlog > 0 and ((at or now()) - since).total_seconds() > 5
