"""The pages of reporting: who owes, a file with checks, filling in."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import UploadFile

from sanqu.cases.history import case_tasks, find_case
from sanqu.cases.pages import TOOLS, units_named
from sanqu.cases.rights import may_act
from sanqu.cases.work import complete_task
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, Conflict, SanquError
from sanqu.ground.http import InCity, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.indicators.periods import parse_period
from sanqu.indicators.projects.keeping import keeps_plan, require_staff
from sanqu.indicators.projects.progress import quarter_of
from sanqu.indicators.reporting.asking import ask_for, asked_in, key_of, list_owed
from sanqu.indicators.reporting.loading import Before, Looked, load, look_at, read_rows
from sanqu.indicators.reporting.reported import Said

router = APIRouter(include_in_schema=False)


@router.get("/indicators/reports")
def reports(request: Request, city: InCity, asker: SignedIn) -> HTMLResponse:
    """Who reported and who owes; loading a file."""
    return _reports(request, city, asker)


def _reports(request: Request, city: City, asker: Asker, fault: SanquError | None = None, looked: Looked | None = None, kept: int | None = None) -> HTMLResponse:
    require_staff(asker)
    owed = list_owed(city, asker)
    with city.db.connection() as conn:
        keeps = keeps_plan(conn, city, asker)
    context: dict[str, Any] = {"owed": owed, "units": units_named(city, {one.unit for one in owed}), "keeps": keeps, "fault": fault, "looked": looked, "kept": kept}
    return render(request, "indicators/reports.html", fault.status if fault else 200, quarter=quarter_of(now()).before, **context, **TOOLS)


@router.post("/indicators/reports")
async def act(request: Request, city: InCity, asker: SignedIn) -> Response:
    """Ask for figures, or look at a file or keep it."""
    form = await request.form()
    upload = form.get("file")
    content, name = (await upload.read(), upload.filename or "file") if isinstance(upload, UploadFile) else (b"", "")
    said = {key: str(value) for key, value in form.items() if isinstance(value, str)}
    return await run_in_threadpool(lambda: _act(request, city, asker, said, content, name))


def _act(request: Request, city: City, asker: Asker, said: dict[str, str], content: bytes, name: str) -> Response:
    try:
        if said.get("act") == "ask":
            ask_for(city, asker, said.get("period", "").strip())
            return RedirectResponse("/indicators/reports", 303)
        if said.get("act") == "keep":
            return _reports(request, city, asker, kept=load(city, asker, content, name))
        return _reports(request, city, asker, looked=look_at(city, read_rows(content, name), name))
    except SanquError as fault:
        return _reports(request, city, asker, fault)


@router.get("/indicators/fill/{number}")
def fill_page(request: Request, city: InCity, asker: SignedIn, number: str) -> HTMLResponse:
    """Fill in what is asked of a unit."""
    return _fill_page(request, city, asker, number)


def _fill_page(request: Request, city: City, asker: Asker, number: str, fault: BadInput | None = None, said: dict[str, str] | None = None) -> HTMLResponse:
    case = find_case(city, asker, number)
    indicators, period, before = asked_in(city, case), parse_period(case.data["period"]), Before(city, case.data["codes"])
    with city.db.connection() as conn:
        open_ = any(one.name == "fill" and one.state == "ready" and may_act(conn, asker, one) for one in case_tasks(city, asker, number))
    last = {one.code: before.of(Said(one.code, key_of(one, case.data["reporter"]), period, 0.0)) for one in indicators}
    filled = said if said is not None else {f"v.{code}": str(value) for code, value in (case.data.get("values") or {}).items()}
    context: dict[str, Any] = {"case": case, "indicators": indicators, "open": open_, "last": last, "fault": fault, "said": filled}
    return render(request, "indicators/fill.html", fault.status if fault else 200, units=units_named(city, {case.unit}), **context, **TOOLS)


@router.post("/indicators/fill/{number}")
async def fill(request: Request, city: InCity, asker: SignedIn, number: str) -> Response:
    """Take what was typed."""
    said = {name: str(value).strip() for name, value in (await request.form()).items()}
    return await run_in_threadpool(lambda: _fill(request, city, asker, number, said))


def _fill(request: Request, city: City, asker: Asker, number: str, said: dict[str, str]) -> Response:
    task = next((one for one in case_tasks(city, asker, number) if one.name == "fill" and one.state == "ready"), None)
    if task is None:
        raise Conflict("indicators.filled", Text(zh="这一期已经报过", en="This was reported already"), Text(zh="要改的由牵头单位退回", en="The bureau may send it back"), f"case:{number}")
    values = {name.removeprefix("v."): value for name, value in said.items() if name.startswith("v.")}
    try:
        complete_task(city, asker, task.id, {"values": values, "explained": said.get("explained", "")})
    except BadInput as fault:
        return _fill_page(request, city, asker, number, fault, said)
    return RedirectResponse(f"/cases/{number}", 303)
