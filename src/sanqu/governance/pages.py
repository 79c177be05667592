"""The pages of governance for those who work in it: the board, the list of events, an event, reporting one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse

from sanqu.cases.pages import TOOLS, persons_named, units_named
from sanqu.cases.rights import may_act
from sanqu.cases.supervising import supervisions_of
from sanqu.cases.work import complete_task, find_task
from sanqu.governance import grid_pages, my_pages, open311
from sanqu.governance.events import Course, Wanted, course_of, export_events, find_event, list_events
from sanqu.governance.forms import form_of, new_from, wanted_of
from sanqu.governance.matters import list_matters
from sanqu.governance.photos import photo_of, photos_of
from sanqu.governance.places import city_unit
from sanqu.governance.records import SOURCES, STATES, Event, Source
from sanqu.governance.report import report_event
from sanqu.governance.scores import (
    PERIODS,
    Level,
    Metric,
    Period,
    Score,
    finer_level,
    heat_map,
    period_of,
    scores,
    scores_csv,
    shapes_of,
    weeks,
)
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.errors import BadInput, Refused, not_found
from sanqu.ground.http import Asking, InCity, Language, Paging, SignedIn, lang_of
from sanqu.ground.i18n import Lang, Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import Unit, ancestors, unit

router = APIRouter(include_in_schema=False)

CSV = "text/csv; charset=utf-8"
Sort = Literal["unit", "events", "open", "late", "on_time_share", "reopened", "rating", "hours"]


def routers() -> tuple[APIRouter, ...]:
    """All of the room's pages."""
    return router, my_pages.router, grid_pages.router, grid_pages.api, open311.router


def require_staff(asker: SignedIn) -> Asker:
    """Who asks, when they must hold a role; raises `Refused`."""
    if not asker.is_staff:
        raise Refused(
            "governance.staff",
            Text(zh="这一页给在机构任职的人", en="This page is for those who hold a role at a unit"),
            Text(zh="看自己报告的事件：/my/events", en="What you reported is at /my/events"),
        )
    return asker


@router.get("/governance")
def board(
    request: Request, city: InCity, asker: SignedIn, period: Period = "30", unit: str = "", show: Metric = "heat",
    sort: Sort = "unit", matter: str = "",
) -> HTMLResponse:  # fmt: skip
    """The scorecards of a unit, its map, and how the weeks went."""
    require_staff(asker)
    of = unit_or_city(city, unit)
    since, until = period_of(period)
    wanted = Wanted(unit=of.code, matter=matter or None, since=since, until=until)
    level = _rows_of(city, of)
    whole, rows = scores(city, asker, wanted, level)
    lang = lang_of(request)
    context: dict[str, Any] = {
        "of": of, "above": ancestors(city, of), "period": period, "periods": PERIODS, "show": show, "sort": sort, "level": level,
        "matters": list_matters(city, retired=True), "matter": matter, "whole": whole, "rows": sorted(rows, key=lambda row: _key(row, sort)),
        "map": heat_map(city, asker, of, wanted, show, lang), "trend": _trend(weeks(city, asker, wanted), lang),
        "to": _linker(matter, since, until), "samples": any(event.sample for event in list_events(city, asker, wanted, limit=5)[0]),
    }  # fmt: skip
    return render(request, "governance/board.html", **context)


def unit_or_city(city: City, code: str) -> Unit:
    """The unit `code`, or the city's own; raises `NotFound`."""
    if code:
        return unit(city, code)
    with city.db.connection() as conn:
        return unit(city, city_unit(conn))


def _rows_of(city: City, of: Unit) -> Level:
    return "town" if of.kind in ("city", "county") else finer_level(city, of)


def _key(row: Score, sort: Sort) -> tuple[bool, Any]:
    if sort == "unit":
        return row.unit is None, row.unit or ""
    value = getattr(row, sort)
    # The largest first, and those without a figure last; the worst share and the worst rating first.
    return value is None, (value if sort in ("on_time_share", "rating") else -(value or 0))


def _linker(matter: str, since: datetime | None, until: datetime | None) -> Any:
    """Makes the address of the list behind a figure."""
    fixed = {"matter": matter} if matter else {}
    if since is not None and until is not None:
        fixed |= {
            "since": f"{since.astimezone(CITY_ZONE):%Y-%m-%d}",
            "until": f"{until.astimezone(CITY_ZONE) - timedelta(days=1):%Y-%m-%d}",
        }

    def to(code: str | None, **more: Any) -> str:
        return "/events?" + urlencode({"unit": code or "", **fixed, **more})

    return to


def _trend(rows: list[dict[str, Any]], lang: Lang) -> dict[str, Any] | None:
    if not rows:
        return None
    names = ("上报", "按期办结") if lang == "zh" else ("reported", "closed in time")
    return {
        "legend": {}, "xAxis": {"type": "category", "data": [f"{row['week']:%m-%d}" for row in rows]}, "yAxis": {"type": "value", "minInterval": 1},
        "series": [
            {"name": name, "type": "bar", "barMaxWidth": 18, "data": [int(row[key]) for row in rows]}
            for name, key in zip(names, ("events", "on_time"), strict=True)
        ],
    }  # fmt: skip


@router.get("/governance/scores.csv")
def scores_file(city: InCity, asker: SignedIn, period: Period = "30", unit: str = "", matter: str = "") -> Response:
    """The scorecards of the board as CSV."""
    require_staff(asker)
    of = unit_or_city(city, unit)
    since, until = period_of(period)
    whole, rows = scores(city, asker, Wanted(unit=of.code, matter=matter or None, since=since, until=until), _rows_of(city, of))
    return Response(scores_csv([*rows, whole]), media_type=CSV, headers=_named("scores.csv"))


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


@router.get("/governance/map/{code}.geojson")
def map_shapes(city: InCity, lang: Language, code: str) -> Response:
    """The outlines of what a unit is divided into."""
    return JSONResponse(
        shapes_of(city, code, lang), media_type="application/geo+json", headers={"Cache-Control": "max-age=600", "Vary": "Cookie"}
    )


@router.get("/events")
def events_page(request: Request, city: InCity, asker: SignedIn, page: Paging) -> HTMLResponse:
    """The list of events with its filters."""
    require_staff(asker)
    wanted = wanted_of(request)
    found, total = list_events(city, asker, wanted, limit=page.limit, offset=page.offset)
    shown = {one for event in found for one in (event.place, event.town, event.lead)} | {wanted.unit, wanted.lead}
    context: dict[str, Any] = {
        "events": found, "total": total, "page": page, "wanted": wanted, "said": request.query_params, "units": units_named(city, shown),
        "matters": {one.code: one.title for one in list_matters(city, retired=True)}, "states": ("open", *STATES), "sources": SOURCES, "at": now(),
    }  # fmt: skip
    return render(request, "governance/events.html", **context, **TOOLS)


@router.get("/events.csv")
def events_file(request: Request, city: InCity, asker: SignedIn) -> Response:
    """The filtered list as CSV, without reporters and their words."""
    require_staff(asker)
    return StreamingResponse(export_events(city, asker, wanted_of(request)), media_type=CSV, headers=_named("events.csv"))


@router.get("/events/new")
def new_page(request: Request, city: InCity, asker: SignedIn) -> HTMLResponse:
    """Report an event as one who works here."""
    require_staff(asker)
    return _new_page(request, city)


def _new_page(request: Request, city: City, fault: BadInput | None = None, said: dict[str, Any] | None = None) -> HTMLResponse:
    context = {"matters": list_matters(city), "sources": ("hotline", "department", "grid"), "fault": fault, "said": said or {}}
    return render(request, "governance/new.html", fault.status if fault else 200, **context)


@router.post("/events/new")
async def new_event(request: Request, city: InCity, asker: SignedIn) -> Response:
    """Take a report down, such as one by telephone."""
    require_staff(asker)
    said, photos = await form_of(request)
    try:
        source: Source = said.get("source") if said.get("source") in ("hotline", "department", "grid") else "department"  # type: ignore[assignment]
        reported = report_event(city, asker, new_from(city, said), source, photos)
    except BadInput as fault:
        return _new_page(request, city, fault, said)
    return RedirectResponse(f"/events/{reported.event.number}", 303)


@router.get("/events/{number}")
def event_page(request: Request, city: InCity, asker: SignedIn, number: str) -> HTMLResponse:
    """An event: where and what, photos, where it stands, what may be done, what happened."""
    return show_event(request, city, asker, find_event(city, asker, number))


def show_event(
    request: Request, city: City, asker: Asker, event: Event, *, fault: BadInput | None = None, filled: dict[str, str] | None = None,
    at_task: UUID | None = None,
) -> HTMLResponse:  # fmt: skip
    """The page of an event; with `fault`, what is wrong with the form of `at_task` that was `filled` in."""
    course = course_of(city, event)
    context = {**course_context(city, asker, course), "fault": fault, "filled": filled or {}, "at_task": at_task}
    return render(request, "governance/event.html", fault.status if fault else 200, **context, **TOOLS)


def course_context(city: City, asker: Asker, course: Course) -> dict[str, Any]:
    """What pages of one event show."""
    event, tasks = course.event, course.tasks
    with city.db.connection() as conn:
        open_tasks = [(task, may_act(conn, asker, task)) for task in tasks if task.state == "ready"]
    units = {event.grid, event.village, event.town, event.county, event.lead, *event.partners, *(task.unit for task in tasks)}
    demands = supervisions_of(city, course.case) if course.case else []
    people = (
        {step.actor for step in course.steps}
        | {one.actor for one in demands}
        | {task.done_by for task in tasks if task.done_by}
        | {event.reporter}
    )
    return {
        "event": event, "case": course.case, "course": course, "open_tasks": open_tasks, "done_tasks": [t for t in tasks if t.state == "done"],
        "demands": demands,
        "photos": photos_of(city, event), "units": units_named(city, units), "names": persons_named(city, people),
        "matters": {one.code: one for one in list_matters(city, retired=True)}, "at": now(),
    }  # fmt: skip


@router.post("/events/{number}/tasks/{id_}")
async def complete(request: Request, city: InCity, asker: SignedIn, number: str, id_: UUID) -> Response:
    """Do a task of an event on its page."""
    event = find_event(city, asker, number)
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    task = find_task(city, asker, id_)
    if task.case != event.number:
        raise not_found(Text(zh="任务", en="task"), str(id_))
    try:
        complete_task(city, asker, id_, form)
    except BadInput as fault:
        return show_event(request, city, asker, event, fault=fault, filled=form, at_task=id_)
    return RedirectResponse(f"/events/{number}", 303)


@router.get("/events/{number}/photos/{id_}")
def photo(city: InCity, asker: Asking, number: str, id_: UUID) -> Response:
    """A photo of an event that the asker may see."""
    media_type, content = photo_of(city, find_event(city, asker, number), id_)
    return Response(content, media_type=media_type, headers={"Cache-Control": "private, max-age=3600"})
