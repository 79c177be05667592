"""Governance over HTTP: matters, events read and reported (devices and other systems too), scorecards."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from pydantic import Field

from sanqu.governance.events import Wanted, course_of, find_event, list_events
from sanqu.governance.matters import list_matters
from sanqu.governance.records import Event, Source, State
from sanqu.governance.report import NewEvent, report_event
from sanqu.governance.scores import Level, Period, Score, period_of, scores
from sanqu.ground.clock import now
from sanqu.ground.http import InCity, Paging, SignedIn

router = APIRouter(tags=["基层治理 · Governance"])


class Sent(NewEvent):
    """A report by a program: what is reported, and as which source."""

    source: Source = Field(default="department", description="grid, resident, hotline, department, sensor, open311")


EXAMPLE = {
    "one": {
        "value": {
            "matter": "camera-alarm", "text": "水位超过警戒线 · water above the mark", "lon": 118.87, "lat": 28.97, "source": "sensor",
            "urgency": "urgent", "client_id": "gauge-17-20261126T0801",
        }
    }
}  # fmt: skip
Report = Annotated[Sent, Body(openapi_examples=EXAMPLE)]


def event_facts(event: Event) -> dict[str, Any]:
    """An event as JSON, with its lamp."""
    return asdict(event) | {"lamp": event.lamp(now())}


def score_facts(score: Score) -> dict[str, Any]:
    """A score as JSON."""
    return asdict(score) | {"title": score.title.model_dump(), "on_time_share": score.on_time_share}


@router.get("/api/matters", summary="事项清单 · Matters that may be reported")
def matters(city: InCity) -> dict[str, Any]:
    """The catalogue of matters: who answers, in how many working days, what is asked."""
    return {"matters": [one.model_dump() for one in list_matters(city)]}


@router.get("/api/events", summary="事件清单 · Events")
def events(
    city: InCity, asker: SignedIn, page: Paging, unit: str | None = None, matter: str | None = None,
    state: State | Literal["open"] | None = None, source: Source | None = None, since: datetime | None = None, until: datetime | None = None,
    late: bool | None = None, q: Annotated[str | None, Query(max_length=100)] = None,
) -> dict[str, Any]:  # fmt: skip
    """Events that the asker may see, the newest first; `unit` is a county, town, village or grid."""
    wanted = Wanted(unit=unit, matter=matter, state=state, source=source, since=since, until=until, late=late, text=q)
    found, count = list_events(city, asker, wanted, limit=page.limit, offset=page.offset)
    return {"count": count, "events": [event_facts(one) for one in found]}


@router.post("/api/events", summary="上报事件 · Report an event", status_code=201)
def report(city: InCity, asker: SignedIn, said: Report) -> dict[str, Any]:
    """Report an event, as a device or another system does with its key; with a `client_id`, twice sent is once reported."""
    new = NewEvent.model_validate(said.model_dump(exclude={"source"}))
    done = report_event(city, asker, new, said.source)
    return event_facts(done.event) | {"again": done.again}


@router.get("/api/events/{number}", summary="一件事件 · One event")
def one_event(city: InCity, asker: SignedIn, number: str) -> dict[str, Any]:
    """An event with its followers."""
    course = course_of(city, find_event(city, asker, number))
    return event_facts(course.event) | {"followers": [one.number for one in course.followers]}


@router.get("/api/governance/scores", summary="乡镇街道评分 · Scorecards")
def all_scores(
    city: InCity, asker: SignedIn, period: Period = "30", unit: str | None = None, level: Level = "town"
) -> dict[str, Any]:
    """Figures of a period by county, town, village or grid, of the events that the asker may see."""
    since, until = period_of(period)
    whole, rows = scores(city, asker, Wanted(unit=unit, since=since, until=until), level)
    return {"all": score_facts(whole), "scores": [score_facts(one) for one in rows]}
