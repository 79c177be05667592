"""Sample events (样例): two months of them with their times and ratings, and a few that wait for somebody; told by nobody real."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from sanqu.cases.deadlines import deadline_of
from sanqu.cases.work import complete_task, tasks_for
from sanqu.governance.matters import Matter, list_matters
from sanqu.governance.places import Place, place_of_unit
from sanqu.governance.records import Source
from sanqu.governance.report import NewEvent, report_event
from sanqu.governance.responsible import Responsible, responsible_for
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import SYSTEM

PAST, OPEN = 600, 24
DAYS = 60
# Out of a hundred; what is not named has four.
WEIGHTS = {
    "litter": 18,
    "parking": 16,
    "noise": 12,
    "road": 10,
    "street-light": 8,
    "stall": 7,
    "fire": 7,
    "help": 5,
    "dispute": 5,
    "market": 5,
}
SOURCES: dict[Source, int] = {"grid": 46, "resident": 30, "hotline": 14, "sensor": 6, "department": 4}
# Per hour of the day: few at night, most in the morning and when people come home.
HOURS = (1, 1, 1, 1, 1, 2, 5, 9, 14, 15, 13, 10, 7, 8, 11, 12, 11, 10, 11, 9, 7, 5, 3, 2)
WORDS = {
    "litter": ("垃圾桶满了没人清", "路边有一堆建筑垃圾"), "parking": ("车停在人行道上", "消防通道口停了车"), "noise": ("半夜还在施工", "店里音响太吵"),
    "road": ("路面有坑，骑车危险", "井盖松动"), "street-light": ("路灯不亮", "一排路灯都在闪"), "stall": ("摊位占了半条路",),
    "fire": ("楼道里给电动车充电", "安全出口锁着"), "help": ("独居老人需要送餐", "轮椅坏了出不了门"), "dispute": ("两家因为地界争吵",),
    "market": ("买到过期食品", "商家不肯退款"), "flood": ("桥下积水过膝",), "camera-alarm": ("水位超过警戒线", "烟感告警"),
}  # fmt: skip
GRIDS = "SELECT unit, shape FROM governance_area WHERE kind = 'grid' AND sample ORDER BY unit"
ADD = """
INSERT INTO governance_event (number, matter, urgency, source, title, text, reporter, lon, lat, grid, village, town, county, lead, partners,
    state, reported, accepted, dispatched, handled, closed, changed, due, outcome, rating, reopened, sample)
SELECT r.number, r.matter, r.urgency, r.source, r.title, r.text, 'system', r.lon, r.lat, r.grid, r.village, r.town, r.county, r.lead, r.partners,
    'closed', r.reported, r.accepted, r.dispatched, r.handled, r.closed, r.closed, r.due, '已办理（样例）', r.rating, r.reopened, true
FROM jsonb_to_recordset(%s) AS r(number text, matter text, urgency text, source text, title text, text text, lon float8, lat float8,
    grid text, village text, town text, county text, lead text, partners text[], reported timestamptz, accepted timestamptz,
    dispatched timestamptz, handled timestamptz, closed timestamptz, due timestamptz, rating smallint, reopened boolean)
ON CONFLICT (number) DO NOTHING
"""


@dataclass(frozen=True)
class Drawn:
    """One made-up report: where, what, by which way, when."""

    grid: str
    lon: float
    lat: float
    matter: Matter
    source: Source
    text: str
    at: datetime


class Grounds:
    """The places and those responsible, each asked for once."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._places: dict[str, Place] = {}
        self._who: dict[tuple[str | None, str], Responsible] = {}

    def of(self, one: Drawn) -> tuple[Place, Responsible]:
        """Where a report was made up, and who answers for it."""
        if one.grid not in self._places:
            self._places[one.grid] = place_of_unit(self._conn, one.grid)
        where = self._places[one.grid]
        # All grids of a town have the same.
        key = (where.town, one.matter.code)
        if key not in self._who:
            self._who[key] = responsible_for(self._conn, one.matter, where)
        return where, self._who[key]


def draw_reports(
    draw: random.Random, grids: list[dict[str, Any]], matters: list[Matter], count: int, start: datetime, days: float
) -> Iterator[Drawn]:
    """Made-up reports between `start` and `days` later: busy grids and quiet ones, by matter, way and hour of the day."""
    from shapely import Point
    from shapely.geometry import shape

    shapes = [shape(row["shape"]) for row in grids]
    busy = [draw.paretovariate(1.6) for _ in grids]
    weights = [WEIGHTS.get(matter.code, 4) for matter in matters]
    for _ in range(count):
        at = draw.choices(range(len(grids)), busy)[0]
        west, south, east, north = shapes[at].bounds
        point = next(
            p
            for p in (Point(draw.uniform(west, east), draw.uniform(south, north)) for _ in range(10_000))
            if shapes[at].contains(p)
        )
        matter = draw.choices(matters, weights)[0]
        hour = timedelta(hours=draw.choices(range(24), HOURS)[0], seconds=draw.randrange(3600))
        text = draw.choice(WORDS.get(matter.code, (matter.about.zh or matter.title.zh,)))
        source = draw.choices(list(SOURCES), list(SOURCES.values()))[0]
        yield Drawn(
            str(grids[at]["unit"]),
            point.x,
            point.y,
            matter,
            source,
            text,
            start + timedelta(days=draw.randrange(max(1, int(days)))) + hour,
        )


def sample_events(city: City, seed: int) -> int:
    """Lay in the sample events, where there are sample grids and matters; returns how many."""
    grids, matters = city.db.all(GRIDS), list_matters(city)
    if not grids or not matters:
        return 0
    draw, today = random.Random(f"events {seed}"), now().replace(hour=16, minute=0, second=0, microsecond=0) - timedelta(days=1)
    past = list(draw_reports(draw, grids, matters, PAST, today - timedelta(days=DAYS), DAYS - 5))
    with city.db.connection() as conn:
        ground = Grounds(conn)
        rows = [_row(ground, draw, one, place) for place, one in enumerate(sorted(past, key=lambda one: one.at), 1)]
        conn.execute(ADD, (Jsonb(rows),))
        append(conn, kind="governance.sample", actor=SYSTEM.label, subject="events:sample", facts={"events": len(rows)})
    for place, one in enumerate(draw_reports(draw, grids, matters, OPEN, now() - timedelta(days=2), 1)):
        _begin(city, one, place)
    return PAST + OPEN


def _row(ground: Grounds, draw: random.Random, one: Drawn, place: int) -> dict[str, Any]:
    where, who = ground.of(one)
    urgent = draw.random() < 0.1
    due = deadline_of(one.at, one.matter.days_for("urgent" if urgent else "normal")).due
    hours = min(draw.lognormvariate(2.6, 1.0), 24.0 * 20)
    closed = min(one.at + timedelta(hours=hours), now())
    steps = [one.at + (closed - one.at) * share for share in (0.05, 0.1, 0.9)]
    rated = draw.random() < 0.4 and one.source != "sensor"
    return {
        "number": f"S{one.at:%Y%m%d}-{place:05}", "matter": one.matter.code, "urgency": "urgent" if urgent else "normal", "source": one.source,
        "title": f"{one.matter.title.zh}：{one.text}（样例）", "text": one.text, "lon": round(one.lon, 5), "lat": round(one.lat, 5),
        **_ground(where, who), "reported": one.at.isoformat(), "accepted": steps[0].isoformat(), "dispatched": steps[1].isoformat(),
        "handled": steps[2].isoformat(), "closed": closed.isoformat(), "due": due.isoformat(),
        "rating": draw.choices((5, 4, 3, 2, 1), (52, 28, 12, 5, 3))[0] if rated else None, "reopened": rated and draw.random() < 0.05,
    }  # fmt: skip


def _ground(where: Place, who: Responsible) -> dict[str, Any]:
    return {
        "grid": where.grid, "village": where.village, "town": where.town, "county": where.county, "lead": who.leads or who.accepts,
        "partners": list(who.joint),
    }  # fmt: skip


def _begin(city: City, one: Drawn, place: int) -> None:
    """One that waits: as reported, being handled, or to be looked at again, in turn."""
    values = {
        attribute.code: attribute.values[0].key for attribute in one.matter.attributes if attribute.required and attribute.values
    }
    new = NewEvent(matter=one.matter.code, text=f"{one.text}（样例）", lon=one.lon, lat=one.lat, attributes=values)
    event = report_event(city, SYSTEM, new, one.source, at=one.at, sample=True).event
    results = {"accept": {"decision": "accept"}, "handle": {"result": "done", "answer": "已办理（样例）"}}
    for name in list(results)[: place % 3]:
        waiting = [
            task for task in tasks_for(city, SYSTEM, below=True, limit=200)[0] if task.case == event.number and task.name == name
        ]
        for task in waiting:
            complete_task(city, SYSTEM, task.id, results[name])
