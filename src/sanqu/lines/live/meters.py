"""What live lines did, minute by minute: rows, refusals, and how old rows were when the lake had them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.lines.live.portion import Told

# Bucket n ends at 2^(n/4) ms: a quarter of an octave is finer than anybody reads a latency; the last is over an hour.
BUCKETS = 90
# So many of a line's last rounds are kept with the moments of their way.
WAYS = 5
ADD = """
INSERT INTO live_minute (line, minute, read, written, deleted, refused, late, rounds, backlog, latency)
VALUES (%(line)s, %(minute)s, %(read)s, %(written)s, %(deleted)s, %(refused)s, %(late)s, %(rounds)s, %(backlog)s, %(latency)s)
ON CONFLICT (line, minute) DO UPDATE SET
    read = live_minute.read + excluded.read, written = live_minute.written + excluded.written,
    deleted = live_minute.deleted + excluded.deleted, refused = live_minute.refused + excluded.refused,
    late = live_minute.late + excluded.late, rounds = live_minute.rounds + excluded.rounds, backlog = excluded.backlog,
    latency = (SELECT array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY n)
               FROM unnest(live_minute.latency, excluded.latency) WITH ORDINALITY AS u (a, b, n))
"""
# What a line did since it was made: these only grow, as whoever measures from outside needs it.
TOTAL = """
UPDATE live_line SET read = live_line.read + %(read)s, written = live_line.written + %(written)s,
    refused = live_line.refused + %(refused)s, late = live_line.late + %(late)s,
    latency = (SELECT array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY n)
               FROM unnest(live_line.latency, %(latency)s::bigint[]) WITH ORDINALITY AS u (a, b, n)),
    ways = %(ways)s
WHERE line = %(line)s
"""
BACKLOG = "UPDATE live_line SET backlog = %s WHERE line = %s AND backlog <> %s"
LATELY = """
SELECT line, sum(read) AS read, sum(written) AS written, sum(refused) AS refused, sum(late) AS late, sum(rounds) AS rounds,
    max(minute) AS newest, array_agg(latency) AS latency
FROM live_minute WHERE minute >= %(since)s AND (%(line)s::text IS NULL OR line = %(line)s) GROUP BY line
"""
MINUTES = """
SELECT minute, read, written, refused, late, backlog, latency FROM live_minute WHERE line = %s AND minute >= %s ORDER BY minute
"""
FORGET = "DELETE FROM live_minute WHERE minute < %s"


def bucket_of(milliseconds: float) -> int:
    """The bucket a latency falls into."""
    return min(BUCKETS - 1, max(0, math.ceil(4 * math.log2(milliseconds)))) if milliseconds > 1 else 0


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The latency (ms) under which `share` of the rows lie: the end of its bucket. None where there are no rows."""
    total = sum(counts)
    if not total:
        return None
    passed = 0
    for number, count in enumerate(counts):
        passed += count
        if passed >= share * total:
            return float(2 ** (number / 4))
    return None


@dataclass
class _Minute:
    told: dict[str, int] = field(default_factory=dict)
    rounds: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * BUCKETS)


class Meter:
    """Counts of one line between two times of writing them down."""

    def __init__(self, line: str) -> None:
        self.line = line
        self._minutes: dict[datetime, _Minute] = {}
        self._ways: deque[Mapping[str, Any]] = deque(maxlen=WAYS)

    def note(self, told: Told, ages: Iterable[tuple[int, int]], at: datetime, way: Mapping[str, Any]) -> None:
        """A round is in the lake at `at`; `ages` are (moment at the source in ms, rows), `way` its moments."""
        self._ways.append(way)
        minute = self._minutes.setdefault(at.replace(second=0, microsecond=0), _Minute())
        minute.rounds += 1
        for name in ("read", "written", "deleted", "refused", "late"):
            minute.told[name] = minute.told.get(name, 0) + int(getattr(told, name))
        here = at.timestamp() * 1000
        for moment, rows in ages:
            minute.latency[bucket_of(here - moment)] += rows

    def take(self, backlog: int) -> list[dict[str, object]]:
        """What was counted since the last time."""
        taken, self._minutes = self._minutes, {}
        return [
            {"line": self.line, "minute": at, "rounds": one.rounds, "backlog": backlog, "latency": one.latency, "deleted": 0,
             "ways": Jsonb(list(self._ways)), **one.told}
            for at, one in taken.items()
        ]  # fmt: skip


def write_down(city: City, taken: Sequence[dict[str, object]], backlogs: Iterable[tuple[str, int]]) -> None:
    """Add what was counted to the minutes, and note how much waits."""
    with city.db.connection() as conn, conn.cursor() as cursor:
        if taken:
            cursor.executemany(ADD, taken)
            cursor.executemany(TOTAL, taken)
        cursor.executemany(BACKLOG, [(backlog, line, backlog) for line, backlog in backlogs])


@dataclass(frozen=True)
class Lately:
    """A line over the last minutes: rows, rows a second, latency (ms) from source to lake."""

    line: str
    read: int
    written: int
    refused: int
    late: int
    per_second: float
    p50: float | None
    p99: float | None


def lately(city: City, minutes: int = 5, line: str | None = None) -> dict[str, Lately]:
    """What lines did over the last `minutes`."""
    since = (now() - timedelta(minutes=minutes)).replace(second=0, microsecond=0)
    found = {}
    for row in city.db.all(LATELY, {"since": since, "line": line}):
        counts = [sum(part) for part in zip(*row["latency"], strict=True)]
        seconds = max(1.0, (now() - since).total_seconds())
        found[str(row["line"])] = Lately(
            str(row["line"]), int(row["read"]), int(row["written"]), int(row["refused"]), int(row["late"]),
            int(row["read"]) / seconds, quantile(counts, 0.5), quantile(counts, 0.99),
        )  # fmt: skip
    return found


@dataclass(frozen=True)
class Minute:
    """One minute of a line."""

    minute: datetime
    read: int
    written: int
    refused: int
    late: int
    backlog: int
    p50: float | None
    p99: float | None


def minutes_of(city: City, line: str, minutes: int = 60) -> list[Minute]:
    """The last `minutes` of a line in which it carried something, the oldest first."""
    since = (now() - timedelta(minutes=minutes)).replace(second=0, microsecond=0)
    return [
        Minute(
            row["minute"], int(row["read"]), int(row["written"]), int(row["refused"]), int(row["late"]), int(row["backlog"]),
            quantile(row["latency"], 0.5), quantile(row["latency"], 0.99),
        )
        for row in city.db.all(MINUTES, (line, since))
    ]  # fmt: skip


def forget(city: City, days: int = 14) -> None:
    """Take minutes away that nobody looks at any more."""
    with city.db.connection() as conn:
        conn.execute(FORGET, (now() - timedelta(days=days),))
