"""The pages of assessment: rounds, the league table, every point of a unit."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sanqu.cases.pages import units_named
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, SanquError, not_found
from sanqu.ground.http import InCity, Language, SignedIn
from sanqu.ground.i18n import Lang, Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import path_of
from sanqu.indicators.assessment.appeals import appeal, list_appeals
from sanqu.indicators.assessment.records import Criterion, Round, Row
from sanqu.indicators.assessment.rounds import (
    close,
    find_round,
    history_of,
    league,
    list_rounds,
    mark,
    open_round,
    publish,
    schemes,
    undo_mark,
    work_out,
)
from sanqu.indicators.projects.keeping import keeps_plan, require_staff

router = APIRouter(include_in_schema=False)


@router.get("/assessment")
def rounds(request: Request, city: InCity, asker: SignedIn) -> HTMLResponse:
    """Schemes and rounds."""
    return _rounds(request, city, asker)


def _rounds(request: Request, city: City, asker: Asker, fault: SanquError | None = None) -> HTMLResponse:
    require_staff(asker)
    return render(request, "indicators/rounds.html", fault.status if fault else 200, rounds=list_rounds(city, asker), schemes=schemes(city), keeps=_keeps(city, asker), fault=fault, year=now().year)


def _keeps(city: City, asker: Asker) -> bool:
    with city.db.connection() as conn:
        return keeps_plan(conn, city, asker)


@router.post("/assessment")
async def open_one(request: Request, city: InCity, asker: SignedIn) -> Response:
    """Open a round."""
    said = await request.form()
    try:
        made = await run_in_threadpool(lambda: open_round(city, asker, str(said.get("scheme", "")), str(said.get("period", "")).strip()))
    except SanquError as fault:
        return await run_in_threadpool(lambda fault=fault: _rounds(request, city, asker, fault))  # type: ignore[misc]
    return RedirectResponse(f"/assessment/{made.id}", 303)


@router.get("/assessment/{number}")
def table(request: Request, city: InCity, asker: SignedIn, lang: Language, number: int) -> HTMLResponse:
    """The league table."""
    return _table(request, city, asker, lang, number)


def _table(request: Request, city: City, asker: Asker, lang: Lang, number: int, fault: SanquError | None = None) -> HTMLResponse:
    round_ = find_round(city, asker, number)
    rows = league(city, round_)
    units = units_named(city, {row.unit for row in rows})
    context = {"round": round_, "rows": rows, "units": units, "items": round_.scheme.items, "keeps": _keeps(city, asker), "fault": fault}
    return render(request, "indicators/league.html", fault.status if fault else 200, chart_=_chart(round_, rows, units, lang), appeals=list_appeals(city, asker, number), **context)


def _chart(round_: Round, rows: list[Row], units: dict[str, Text], lang: Lang) -> dict[str, Any]:
    """Points by item, one bar a unit, the first on top."""
    shown = rows[::-1]

    def value(row: Row, code: str) -> float:
        return row.points[code].points if code in row.points else 0.0

    return {
        "grid": {"left": 110, "right": 30, "top": 44, "bottom": 30}, "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}}, "legend": {"type": "scroll"},
        "xAxis": {"type": "value"}, "yAxis": {"type": "category", "data": [units[row.unit].in_(lang) for row in shown]},
        "series": [{"type": "bar", "stack": "points", "name": one.title.in_(lang), "data": [value(row, one.code) for row in shown], "barMaxWidth": 26} for one in round_.scheme.items],
    }  # fmt: skip


@router.post("/assessment/{number}")
async def act(request: Request, city: InCity, asker: SignedIn, lang: Language, number: int) -> Response:
    """Work it out anew, publish it, let it be final."""
    what = str((await request.form()).get("act", ""))
    acts: dict[str, Callable[[City, Asker, int], object]] = {"work-out": work_out, "publish": publish, "close": close}
    try:
        if what not in acts:
            raise BadInput("assessment.act", Text(zh="没有这个操作", en="There is no such act"), Text(zh="用页面上的按钮", en="Use the buttons of the page"), what[:20])
        await run_in_threadpool(lambda: acts[what](city, asker, number))
    except SanquError as fault:
        return await run_in_threadpool(lambda fault=fault: _table(request, city, asker, lang, number, fault))  # type: ignore[misc]
    return RedirectResponse(f"/assessment/{number}", 303)


@router.get("/assessment/{number}/points.csv")
def table_file(city: InCity, asker: SignedIn, number: int) -> Response:
    """Every point with its arithmetic, as CSV."""
    round_ = find_round(city, asker, number)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("rank", "unit", "total", "item", "title", "points", "most", "value", "arithmetic", "revision"))
    for row in league(city, round_):
        for code, one in row.points.items():
            item = round_.scheme.item(code)
            writer.writerow((row.rank, row.unit, row.total, code, item.title.zh if item else "", one.points, one.most, one.basis.get("value"), one.basis.get("sum"), one.revision))
    return Response("\ufeff" + out.getvalue(), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="assessment-{number}.csv"'})


@router.get("/assessment/{number}/{unit}")
def traced(request: Request, city: InCity, asker: SignedIn, number: int, unit: str) -> HTMLResponse:
    """Every point of a unit with what it came from."""
    return _traced(request, city, asker, number, unit)


def _traced(request: Request, city: City, asker: Asker, number: int, unit: str, fault: SanquError | None = None, said: dict[str, str] | None = None) -> HTMLResponse:
    round_ = find_round(city, asker, number)
    row = next((one for one in league(city, round_) if one.unit == unit), None)
    if row is None:
        raise not_found(Text(zh="被考核单位", en="assessed unit"), unit[:64])
    with city.db.connection() as conn:
        path = path_of(conn, unit)
    in_time = round_.state == "published" and round_.appeals_until is not None and now() <= round_.appeals_until
    appeals = path is not None and asker.may_steward(path) and in_time
    return render(
        request, "indicators/points.html", fault.status if fault else 200, round=round_, row=row, units=units_named(city, {unit}), unit=unit,
        items=round_.scheme.items, histories=history_of(city, round_, unit), appeals=list_appeals(city, asker, number, unit),
        may_appeal=appeals, marks=round_.state == "draft" and _keeps(city, asker), fault=fault, said=said or {}, is_criterion=lambda one: isinstance(one, Criterion),
    )  # fmt: skip


@router.post("/assessment/{number}/{unit}")
async def change(request: Request, city: InCity, asker: SignedIn, number: int, unit: str) -> Response:
    """Mark by hand, take a mark back, or appeal."""
    said = {name: str(value).strip() for name, value in (await request.form()).items()}
    try:
        await run_in_threadpool(lambda: _change(city, asker, number, unit, said))
    except SanquError as fault:
        return await run_in_threadpool(lambda fault=fault: _traced(request, city, asker, number, unit, fault, said))  # type: ignore[misc]
    return RedirectResponse(f"/assessment/{number}/{unit}#{said.get('item', '')}", 303)


def _change(city: City, asker: Asker, number: int, unit: str, said: dict[str, str]) -> None:
    if said.get("undo", "").isdigit():
        undo_mark(city, asker, number, int(said["undo"]))
    elif said.get("act") == "appeal":
        appeal(city, asker, number, unit, said.get("item", ""), said.get("reason", ""))
    else:
        try:
            points = float(said.get("points", ""))
        except ValueError as fault:
            raise BadInput("assessment.mark", Text(zh="分数读不懂", en="These are no points"), Text(zh="填一个数", en="Give a number"), said.get("item", "")) from fault
        mark(city, asker, number, unit, said.get("item", ""), points, said.get("reason", ""))
