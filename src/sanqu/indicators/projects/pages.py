"""The pages of key projects: the board with lamps, one project with its tasks, reporting progress."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import date
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sanqu.cases.history import case_tasks, find_case
from sanqu.cases.pages import TOOLS, units_named
from sanqu.cases.rights import may_act
from sanqu.cases.work import complete_task
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, Conflict, SanquError
from sanqu.ground.facts import fact
from sanqu.ground.http import InCity, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import path_of
from sanqu.indicators.projects.keeping import (
    add_task,
    drop_task,
    find_standing,
    keeps_plan,
    require_staff,
    standings,
    task_history,
)
from sanqu.indicators.projects.lamps import WORST, expected
from sanqu.indicators.projects.progress import ask_progress, list_reports, owed, quarter_of
from sanqu.indicators.projects.records import Standing

router = APIRouter(include_in_schema=False)
LAMPS = WORST


@router.get("/plan")
def board(request: Request, city: InCity, asker: SignedIn, lamp: str = "", unit: str = "") -> HTMLResponse:
    """The projects with their lamps."""
    require_staff(asker)
    return _board(request, city, asker, lamp, unit)


def _board(request: Request, city: City, asker: Asker, lamp: str = "", unit: str = "", fault: SanquError | None = None) -> HTMLResponse:
    stood = standings(city)
    found = _chosen(stood, lamp, unit)
    leads = {task.unit for one in stood for task in one.tasks}
    units = units_named(city, {*leads, *(code for one in stood for code in one.project.units)})
    with city.db.connection() as conn:
        keeps = keeps_plan(conn, city, asker)
    return render(
        request, "indicators/projects.html", fault.status if fault else 200, rows=found, any=bool(stood), counts=Counter(task.lamp for one in stood for task in one.tasks),
        lamps=LAMPS, lamp=lamp, unit=unit, units=units, keeps=keeps, quarter=quarter_of(now()).before, fault=fault,
        sample=bool(fact(city, "indicators.plan-sample", 0)), owing=[one for one in list_reports(city, asker) if one.state == "asked"][:50], leads=sorted(leads), titles={one.project.code: one.project.title for one in stood},
    )  # fmt: skip


def _chosen(stood: list[Standing], lamp: str, unit: str) -> list[Standing]:
    def fits(one: Standing) -> bool:
        return any(lamp in ("", task.lamp) and unit in ("", task.unit) for task in one.tasks) or (not lamp and not unit)

    return [one for one in stood if fits(one)]


@router.get("/plan.csv")
def board_file(city: InCity, asker: SignedIn, lamp: str = "", unit: str = "") -> Response:
    """Every task with its lamp, as CSV."""
    require_staff(asker)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("project", "title", "task", "task_title", "unit", "due", "percent", "period", "lamp", "said", "problem"))
    for one in _chosen(standings(city), lamp, unit):
        for task in one.tasks:
            if lamp in ("", task.lamp) and unit in ("", task.unit):
                writer.writerow((one.project.code, one.project.title.zh, task.id, task.title.zh, task.unit, task.due, "" if task.percent is None else task.percent, task.period, task.lamp, task.said, task.problem))
    return Response("\ufeff" + out.getvalue(), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": 'attachment; filename="plan-tasks.csv"'})


@router.post("/plan")
async def ask_for(request: Request, city: InCity, asker: SignedIn) -> Response:
    """Ask for the progress of a quarter."""
    period = str((await request.form()).get("period", ""))
    try:
        await run_in_threadpool(lambda: ask_progress(city, asker, period))
    except SanquError as fault:
        return await run_in_threadpool(lambda fault=fault: _board(request, city, asker, fault=fault))  # type: ignore[misc]
    return RedirectResponse("/plan#owing", 303)


@router.get("/plan/fill/{number}")
def fill_page(request: Request, city: InCity, asker: SignedIn, number: str) -> HTMLResponse:
    """Report progress."""
    return _fill_page(request, city, asker, number)


def _fill_page(request: Request, city: City, asker: Asker, number: str, fault: BadInput | None = None, said: dict[str, str] | None = None) -> HTMLResponse:
    case = find_case(city, asker, number)
    stood = find_standing(city, case.data["project"])
    with city.db.connection() as conn:
        open_ = any(one.name == "fill" and one.state == "ready" and may_act(conn, asker, one) for one in case_tasks(city, asker, number))
    tasks = owed(stood, case.data["reporter"])
    day = now().date()
    context: dict[str, Any] = {"case": case, "stood": stood, "tasks": tasks, "open": open_, "fault": fault, "said": said if said is not None else _said_before(case.data)}
    # Targets are told by the leading unit alone.
    leads = case.data["reporter"] == stood.project.lead
    return render(request, "indicators/progress.html", fault.status if fault else 200, leads=leads, units=units_named(city, {case.unit}), by_time={task.id: expected(task.since, task.due, day) for task in tasks}, **context, **TOOLS)


def _said_before(data: dict[str, Any]) -> dict[str, str]:
    """What was filled in before it was sent back."""
    found = {f"{name}.{key}": str(value) for key, told in (data.get("tasks") or {}).items() for name, value in told.items()}
    for key, told in (data.get("reached") or {}).items():
        found |= {f"value.{key}": "" if told.get("value") is None else f"{told['value']:g}", f"words.{key}": str(told.get("said", ""))}
    return found


@router.post("/plan/fill/{number}")
async def fill(request: Request, city: InCity, asker: SignedIn, number: str) -> Response:
    """Take what was typed."""
    said = {name: str(value).strip() for name, value in (await request.form()).items()}
    return await run_in_threadpool(lambda: _fill(request, city, asker, number, said))


def _fill(request: Request, city: City, asker: Asker, number: str, said: dict[str, str]) -> Response:
    task = next((one for one in case_tasks(city, asker, number) if one.name == "fill" and one.state == "ready"), None)
    if task is None:
        raise Conflict("indicators.filled", Text(zh="这一期已经报过", en="This was reported already"), Text(zh="下一期再报", en="Report it the next time"), f"case:{number}")
    tasks: dict[str, dict[str, str]] = {}
    reached: dict[str, dict[str, str]] = {}
    for name, value in said.items():
        kind, _, key = name.partition(".")
        if kind in ("percent", "said", "problem"):
            tasks.setdefault(key, {})[kind] = value
        elif kind in ("value", "words"):
            reached.setdefault(key, {})["value" if kind == "value" else "said"] = value
    try:
        complete_task(city, asker, task.id, {"tasks": tasks, "reached": reached})
    except BadInput as fault:
        return _fill_page(request, city, asker, number, fault, said)
    return RedirectResponse(f"/cases/{number}", 303)


@router.get("/plan/{code}")
def one(request: Request, city: InCity, asker: SignedIn, code: str) -> HTMLResponse:
    """One project."""
    require_staff(asker)
    return _one(request, city, asker, code)


def _one(request: Request, city: City, asker: Asker, code: str, fault: SanquError | None = None, said: dict[str, str] | None = None) -> HTMLResponse:
    stood = find_standing(city, code)
    day = now().date()
    units = units_named(city, {*stood.project.units, *(task.unit for task in stood.tasks)})
    with city.db.connection() as conn:
        path = path_of(conn, stood.project.lead)
        leads = keeps_plan(conn, city, asker) or (path is not None and asker.may_steward(path))
    return render(
        request, "indicators/project.html", fault.status if fault else 200, stood=stood, project=stood.project, units=units, leads=leads, fault=fault, said=said or {},
        by_time={task.id: expected(task.since, task.due, day) for task in stood.tasks}, sample=bool(fact(city, "indicators.plan-sample", 0)), reports=list_reports(city, asker, code),
        histories={task.id: task_history(city, task.id) for task in stood.tasks if task.percent is not None},
    )  # fmt: skip


@router.post("/plan/{code}")
async def change(request: Request, city: InCity, asker: SignedIn, code: str) -> Response:
    """Break a measure down, or take a task back."""
    said = {name: str(value).strip() for name, value in (await request.form()).items()}
    try:
        await run_in_threadpool(lambda: _change(city, asker, said))
    except SanquError as fault:
        return await run_in_threadpool(lambda fault=fault: _one(request, city, asker, code, fault, said))  # type: ignore[misc]
    return RedirectResponse(f"/plan/{code}", 303)


def _change(city: City, asker: Asker, said: dict[str, str]) -> None:
    if said.get("drop", "").isdigit():
        drop_task(city, asker, int(said["drop"]))
        return
    try:
        measure, since, due, weight = int(said.get("measure", "")), date.fromisoformat(said.get("since", "")), date.fromisoformat(said.get("due", "")), float(said.get("weight") or 1)
    except ValueError as fault:
        raise BadInput("indicators.task", Text(zh="起止或权重读不懂", en="Time or weight cannot be read"), Text(zh="选起止日期，权重填数", en="Choose both days; the weight is a number")) from fault
    add_task(city, asker, measure, said.get("title", ""), said.get("unit", ""), since, due, weight)
