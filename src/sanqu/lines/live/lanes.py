"""Lanes (领域专线): whose turn it is, so that a flood on one delays no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sanqu.ground.city import City
from sanqu.ground.errors import not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker

LANES = "SELECT name, weight, rows_per_second FROM live_lane ORDER BY weight DESC, name"
SET = "UPDATE live_lane SET weight = %s, rows_per_second = %s WHERE name = %s RETURNING name"
# A second's worth of rows may come at once after a pause.
BURST_SECONDS = 1.0


@dataclass(frozen=True)
class Lane:
    """A lane: its share of the turns, and how many rows a second it may carry (None: as many as go)."""

    name: str
    weight: int = 1
    rows_per_second: int | None = None


def lanes_of(city: City) -> dict[str, Lane]:
    """Every lane, as it is set now."""
    return {str(row["name"]): Lane(str(row["name"]), int(row["weight"]), row["rows_per_second"]) for row in city.db.all(LANES)}


class Turns:
    """At most so many lanes carry at once; of those that wait, the one that has carried least for its weight goes next."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._carried: dict[str, float] = {}
        # How far the lane that came last had carried when its turn began: who rested begins there.
        self._reached = 0.0

    @asynccontextmanager
    async def turn(self, lane: str) -> AsyncIterator[None]:
        """Hold a turn for as long as the `async with` lasts."""
        # One that rested does not save up.
        self._carried[lane] = max(self._carried.get(lane, 0.0), self._reached)
        if not self._free:
            gate = asyncio.get_running_loop().create_future()
            self._waiting.append((lane, gate))
            try:
                await gate
            except asyncio.CancelledError:
                if gate.done() and not gate.cancelled():
                    self._give_back()
                else:
                    self._waiting.remove((lane, gate))
                raise
        else:
            self._free -= 1
        self._reached = max(self._reached, self._carried[lane])
        try:
            yield
        finally:
            self._give_back()

    def note(self, lane: Lane, seconds: float) -> None:
        """A lane was at work for so long."""
        self._carried[lane.name] = self._carried.get(lane.name, self._reached) + seconds / lane.weight

    def _give_back(self) -> None:
        self._waiting = [(name, gate) for name, gate in self._waiting if not gate.done()]
        if not self._waiting:
            self._free += 1
            return
        chosen = next_lane([name for name, _ in self._waiting], self._carried)
        place = next(n for n, (name, _) in enumerate(self._waiting) if name == chosen)
        _, gate = self._waiting.pop(place)
        gate.set_result(None)


def next_lane(waiting: list[str], carried: Mapping[str, float]) -> str:
    """Of the lanes that wait, the one that has carried least for its weight; the first come among equals."""
    return min(waiting, key=lambda name: carried.get(name, 0.0))


class Allowance:
    """How many rows a lane may carry now: a bucket that fills with its rows a second."""

    def __init__(self) -> None:
        self._left = 0.0
        self._at = time.monotonic()

    def rows(self, lane: Lane, at: float) -> int | None:
        """Rows that may be carried at `at` (seconds of a steady clock), None for as many as go."""
        if lane.rows_per_second is None:
            return None
        most = lane.rows_per_second * BURST_SECONDS
        self._left = min(most, self._left + (at - self._at) * lane.rows_per_second)
        self._at = at
        return max(0, int(self._left))

    def spend(self, rows: int) -> None:
        """So many rows were carried; what goes beyond is made up for."""
        self._left -= rows


def set_lane(city: City, lane: Lane, asker: Asker) -> Lane:
    """Give a lane its share of the turns and its limit; raises `NotFound` for one that is none."""
    with city.db.connection() as conn:
        if conn.execute(SET, (lane.weight, lane.rows_per_second, lane.name)).fetchone() is None:
            raise not_found(Text(zh="领域专线", en="lane"), lane.name)
        facts = {"weight": lane.weight, "rows_per_second": lane.rows_per_second}
        append(conn, kind="live.lane", actor=asker.label, subject=f"lane:{lane.name}", facts=facts)
    return lane
