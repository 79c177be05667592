"""Replays a day of events at speed (回放): real-shaped from a file of 311 requests, or made up; each goes through its whole process."""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sanqu.cases.work import complete_task
from sanqu.governance.matters import Matter, list_matters
from sanqu.governance.report import NewEvent, report_event
from sanqu.governance.sample_events import GRIDS, Drawn, draw_reports
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, at_moment, now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM

READY = """
SELECT t.id, t.name FROM case_task t JOIN case_case c ON c.id = t.case_id WHERE c.number = %s AND t.state = 'ready' ORDER BY t.made, t.id
"""
# Columns of a file of 311 requests (NYC Open Data); others are let be.
CREATED, CLOSED, KIND, AREA, LAT, LON = "Created Date", "Closed Date", "Complaint Type", "Incident Zip", "Latitude", "Longitude"
AT_ONCE = 3
CLOCK = "%m/%d/%Y %H:%M"
# What they complain of elsewhere, in the words of our catalogue; what is not here is `other`.
MATTERS = {
    "noise": "noise", "parking": "parking", "driveway": "parking", "vehicle": "parking", "vending": "stall", "street light": "street-light",
    "street condition": "road", "pothole": "road", "water": "water-supply", "plumbing": "water-supply", "heat": "water-supply", "sewer": "flood",
    "sanitary": "litter", "dead animal": "litter", "dirty": "litter", "rodent": "litter", "food": "market", "consumer": "market", "smok": "smoke",
    "animal in a park": "dispute", "abuse": "help",
}  # fmt: skip
RESULTS: dict[str, dict[str, str]] = {
    "accept": {"decision": "accept"}, "handle": {"result": "done", "answer": "已办理（回放）"}, "assist-a": {"answer_a": "已配合（回放）"},
    "assist-b": {"answer_b": "已配合（回放）"}, "verify": {"verdict": "solved"},
}  # fmt: skip

# When each step is done, as a share of the time that the event took.
SHARES = {"accept": 0.05, "dispatch": 0.1, "handle": 0.8, "assist-a": 0.8, "assist-b": 0.8, "verify": 1.0}


@dataclass(frozen=True)
class Played:
    """One event of the day: the report, how many hours it took (None: not closed yet), its rating, if any."""

    drawn: Drawn
    hours: float | None
    rating: int | None


@dataclass(frozen=True)
class Result:
    """How a replay went."""

    events: int
    closed: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Events a second, from the report to where each ended."""
        return self.events / self.seconds if self.seconds else 0.0


def replay(
    city: City,
    count: int,
    file: Path | None = None,
    *,
    seed: int = 311,
    day: datetime | None = None,
    say: Callable[[str], None] = print,
) -> Result:
    """Play `count` events of one day through the city; from `file` (a CSV of 311 requests) where one is given, else made up.

    Raises `BadInput` in a city without sample grids or matters, or for a file that is none of 311 requests.
    """
    grids, matters = city.db.all(GRIDS), list_matters(city)
    if not grids or not matters:
        raise BadInput(
            "governance.replay",
            Text(zh="城市里没有网格或事项清单", en="The city has no grids or no matters"),
            Text(zh="先 sanqu up 载入带 [grids] 的城市包", en="Load a city pack with [grids] by `sanqu up` first"),
        )
    start = (day or now() - timedelta(days=1)).astimezone(CITY_ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    drawn = _from_file(file, grids, matters, count, start) if file is not None else _made_up(grids, matters, count, start, seed)
    days = sorted(drawn, key=lambda one: one.drawn.at)
    began, closed = time.perf_counter(), 0
    # While one waits for the database, another moves its process on.
    with ThreadPoolExecutor(AT_ONCE) as hands:
        for place, was_closed in enumerate(hands.map(lambda one: _play(city, one), days), 1):
            closed += was_closed
            if place % 500 == 0:
                say(f"  {place:,} · {place / (time.perf_counter() - began):.0f}/s")
    return Result(len(days), closed, time.perf_counter() - began)


def _made_up(grids: list[dict[str, Any]], matters: list[Matter], count: int, start: datetime, seed: int) -> Iterator[Played]:
    draw = random.Random(f"replay {seed}")
    for one in draw_reports(draw, grids, matters, count, start, 1):
        hours = draw.lognormvariate(1.6, 1.0)
        yield Played(one, hours if draw.random() < 0.9 else None, _rating(draw))


def _rating(draw: random.Random) -> int | None:
    return draw.choices((5, 4, 3, 2, 1), (55, 28, 12, 3, 2))[0] if draw.random() < 0.35 else None


def _from_file(file: Path, grids: list[dict[str, Any]], matters: list[Matter], count: int, start: datetime) -> Iterator[Played]:
    """The day's shape from a file: hour of the day, what, how long it took, and who is near to whom; laid over our grids."""
    known = {one.code: one for one in matters}
    with file.open(encoding="utf-8", errors="replace", newline="") as source:
        reader = csv.DictReader(source)
        if not {CREATED, CLOSED, KIND, AREA, LAT, LON} <= set(reader.fieldnames or ()):
            raise BadInput(
                "governance.replay-file",
                Text(zh="不是 311 诉求的 CSV", en="This is no CSV of 311 requests"),
                Text(
                    zh=f"需要这些列：{CREATED}、{CLOSED}、{KIND}、{AREA}、{LAT}、{LON}",
                    en=f"It needs the columns {CREATED}, {CLOSED}, {KIND}, {AREA}, {LAT}, {LON}",
                ),
                str(file),
            )
        rows = [row for row in reader if row[LAT] and row[LON] and _clock(row[CREATED])]
    for place in range(min(count, len(rows)) if rows else 0):
        row = rows[place]
        draw = random.Random(f"{row[AREA]} {place}")
        yield Played(_laid(row, grids, known, start), _hours(row), _rating(draw))


def _clock(said: str) -> datetime | None:
    try:
        return datetime.strptime(said, CLOCK).replace(tzinfo=CITY_ZONE)
    except ValueError:
        return None


def _hours(row: dict[str, str]) -> float | None:
    began, ended = _clock(row[CREATED]), _clock(row[CLOSED])
    return max((ended - began).total_seconds() / 3600, 0.02) if began and ended else None


def _laid(row: dict[str, str], grids: list[dict[str, Any]], known: dict[str, Matter], start: datetime) -> Drawn:
    from shapely.geometry import shape

    at = _clock(row[CREATED])
    assert at is not None
    # Every area of theirs is one grid of ours; within it, who was near stays near.
    grid = grids[random.Random(row[AREA]).randrange(len(grids))]
    ground = shape(grid["shape"])
    middle = ground.representative_point()
    reach = middle.distance(ground.boundary) * 0.9
    lon = middle.x + (float(row[LON]) * 37 % 1 - 0.5) * reach
    lat = middle.y + (float(row[LAT]) * 37 % 1 - 0.5) * reach
    kind = row[KIND].lower()
    code = next((ours for word, ours in MATTERS.items() if word in kind), "other")
    moment = start + timedelta(hours=at.hour, minutes=at.minute)
    return Drawn(str(grid["unit"]), lon, lat, known.get(code) or known["other"], "resident", f"{row[KIND]}（回放）", moment)


def _play(city: City, one: Played) -> bool:
    """One event in one transaction: reported, and done as far as it went; returns whether it was closed."""
    drawn = one.drawn
    values = {a.code: a.values[0].key if a.values else "1" for a in drawn.matter.attributes if a.required}
    new = NewEvent(matter=drawn.matter.code, text=drawn.text, lon=drawn.lon, lat=drawn.lat, attributes=values)
    with city.db.connection() as conn:
        event = report_event(city, SYSTEM, new, drawn.source, conn=conn, at=drawn.at, sample=True).event
        if event.maybe is not None and drawn.at.minute % 2:
            # Half of what looks the same is the same.
            _do(
                city,
                conn,
                event.number,
                "accept",
                {"decision": "merge", "same_as": event.maybe},
                drawn.at + timedelta(minutes=20),
            )
            return False
        if one.hours is None:
            return False
        while ready := [row for row in conn.execute(READY, (event.number,)).fetchall() if row["name"] in SHARES]:
            for row in ready:
                result = RESULTS.get(row["name"]) or {"handler": event.town or event.county or ""}
                _complete(city, conn, row["id"], result, drawn.at + timedelta(hours=one.hours * SHARES[row["name"]]))
        if one.rating is not None:
            _do(city, conn, event.number, "rate", {"rating": str(one.rating)}, drawn.at + timedelta(hours=one.hours + 1))
    return True


def _do(city: City, conn: Connection, number: str, name: str, result: dict[str, str], at: datetime) -> None:
    for row in conn.execute(READY, (number,)).fetchall():
        if row["name"] == name:
            _complete(city, conn, row["id"], result, at)


def _complete(city: City, conn: Connection, task: UUID, result: dict[str, str], at: datetime) -> None:
    with at_moment(at):
        complete_task(city, SYSTEM, task, result, conn=conn, at=at)
