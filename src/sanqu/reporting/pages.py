"""The pages of report-once: the catalogue of forms, designing one, filling one in, the dictionary, burden."""

from __future__ import annotations

import csv
import io
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sanqu.cases.history import case_tasks, find_case
from sanqu.cases.pages import TOOLS, units_named
from sanqu.cases.rights import may_act
from sanqu.cases.work import complete_task
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, SanquError
from sanqu.ground.http import InCity, Paging, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import Unit, find_units, unit
from sanqu.reporting.figures import Figure, add_figure, decide_figure, is_bureau, list_figures, require_staff
from sanqu.reporting.moves import figures_of, request_of
from sanqu.reporting.requests import burden, cells_of, find_request, list_requests, plan_cells, submit_request
from sanqu.reporting.values import correct_value, history_of

router = APIRouter(include_in_schema=False)
CSV = "text/csv; charset=utf-8"
MANY = 1000


@router.get("/reports")
def catalogue(request: Request, city: InCity, asker: SignedIn, page: Paging, q: str = "", state: str = "") -> HTMLResponse:
    """The catalogue of forms."""
    found, total = list_requests(city, asker, q[:100] or None, state or None, page.limit, page.offset)
    units = units_named(city, {one.unit for one in found})
    return render(request, "reporting/catalogue.html", reports=found, total=total, page=page, q=q, state=state, units=units, **TOOLS)


@router.get("/reports/new")
def new_page(request: Request, city: InCity, asker: SignedIn) -> HTMLResponse:
    """Design a form."""
    require_staff(asker)
    return _new_page(request, city, asker, {"unit": next(iter(sorted(asker.units)), "")})


def _new_page(request: Request, city: City, asker: Asker, said: dict[str, Any], fault: SanquError | None = None, **more: Any) -> HTMLResponse:
    figures = [one.figure for one in list_figures(city, "active")]
    context: dict[str, Any] = {"figures": figures, "named": {one.code: one for one in figures}, "counties": find_units(city, kind="county", limit=50)[0], "said": said, "fault": fault}
    return render(request, "reporting/new.html", fault.status if fault else 200, **context, **({"cells": None, "faults": (), "places": {}} | more))


@router.post("/reports/new")
async def design(request: Request, city: InCity, asker: SignedIn) -> Response:
    """Show what would be asked; submit it when that was seen."""
    form = await request.form()
    said: dict[str, Any] = {name: str(value).strip() for name, value in form.items()} | {"figures": [str(one) for one in form.getlist("figures")]}
    return await run_in_threadpool(lambda: _design(request, city, asker, said))


def _design(request: Request, city: City, asker: Asker, said: dict[str, Any]) -> Response:
    try:
        places = _places(city, said)
        if said.get("act") == "submit":
            days = int(said["days"]) if said.get("days", "").isdigit() else 5
            made = submit_request(city, asker, said.get("title", ""), said.get("why", ""), said.get("unit", ""), said["figures"], places, said.get("period", ""), days)
            return RedirectResponse(f"/reports/{made.number}", 303)
        cells, faults = plan_cells(city, asker, said["figures"], places, said.get("period", ""))
    except SanquError as fault:
        return _new_page(request, city, asker, said, fault)
    table = {(one.figure, one.place): one for one in cells}
    return _new_page(request, city, asker, said, cells=table, faults=faults, places=units_named(city, set(places)))


def _places(city: City, said: dict[str, Any]) -> list[str]:
    """The towns of a county, or the codes that were written."""
    if said.get("county"):
        towns: list[Unit] = find_units(city, kind="town", under=unit(city, said["county"]).path, limit=MANY)[0]
        return [one.code for one in towns]
    return str(said.get("places", "")).replace(",", " ").replace("，", " ").split()


@router.get("/reports/figures")
def dictionary(request: Request, city: InCity, asker: SignedIn) -> HTMLResponse:
    """The dictionary of figures."""
    require_staff(asker)
    return _dictionary(request, city, asker)


def _dictionary(request: Request, city: City, asker: Asker, fault: SanquError | None = None, said: dict[str, str] | None = None) -> HTMLResponse:
    with city.db.connection() as conn:
        keeps = is_bureau(conn, city, asker)
    return render(request, "reporting/figures.html", fault.status if fault else 200, entries=list_figures(city), keeps=keeps, fault=fault, said=said or {})


@router.post("/reports/figures")
async def keep_figure(request: Request, city: InCity, asker: SignedIn) -> Response:
    """Add a figure, or decide on a proposal."""
    said = {name: str(value).strip() for name, value in (await request.form()).items()}
    try:
        await run_in_threadpool(lambda: _keep_figure(city, asker, said))
    except SanquError as fault:
        return await run_in_threadpool(lambda fault=fault: _dictionary(request, city, asker, fault, said))  # type: ignore[misc]
    return RedirectResponse("/reports/figures", 303)


def _keep_figure(city: City, asker: Asker, said: dict[str, str]) -> None:
    if said.get("decide"):
        decide_figure(city, asker, said["decide"], accept=said.get("accept") == "true")
        return
    figure: dict[str, Any] = {name: said.get(name, "") for name in ("code", "unit", "kind")}
    figure |= {"title": {"zh": said.get("title_zh", ""), "en": said.get("title_en", "")}, "definition": {"zh": said.get("definition", ""), "en": ""}, "whole": said.get("whole") == "true"}
    figure |= {name: said[name] for name in ("least", "most", "change") if said.get(name)}
    if said.get("dataset"):
        figure["source"] = {name: said.get(f"source_{name}", "") for name in ("place", "value", "period")} | {"dataset": said["dataset"]}
    add_figure(city, asker, figure, said.get("differs", ""))


@router.get("/reports/burden")
def burden_page(request: Request, city: InCity, asker: SignedIn) -> HTMLResponse:
    """What places were asked and spared."""
    found = burden(city, asker)
    total = {name: sum(getattr(one, name) for one in found) for name in ("cells", "asked", "dataset", "reported")}
    return render(request, "reporting/burden.html", rows=found, total=total, units=units_named(city, {one.place for one in found}))


@router.get("/reports/burden.csv")
def burden_file(city: InCity, asker: SignedIn) -> Response:
    """The same as CSV."""
    rows = [(one.place, one.cells, one.asked, one.dataset, one.reported, f"{one.saved:.3f}") for one in burden(city, asker)]
    return _csv("burden.csv", [("place", "cells", "asked", "dataset", "reported", "saved"), *rows])


def _csv(name: str, rows: list[tuple[Any, ...]]) -> Response:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return Response("\ufeff" + out.getvalue(), media_type=CSV, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.get("/reports/fill/{number}")
def fill_page(request: Request, city: InCity, asker: SignedIn, number: str) -> HTMLResponse:
    """Fill in what is asked of a place."""
    return _fill_page(request, city, asker, number)


def _fill_page(request: Request, city: City, asker: Asker, number: str, fault: BadInput | None = None, said: dict[str, str] | None = None) -> HTMLResponse:
    case = find_case(city, asker, number)
    with city.db.connection() as conn:
        figures, report = figures_of(conn, case), request_of(conn, case.data["report"])
        mine = [one for one in case_tasks(city, asker, number) if one.name == "fill" and one.state == "ready" and may_act(conn, asker, one)]
    filled = said if said is not None else {f"v.{code}": str(value) for code, value in (case.data.get("values") or {}).items()}
    context: dict[str, Any] = {"case": case, "figures": figures, "report": report, "task": mine[0] if mine else None, "fault": fault, "said": filled}
    return render(request, "reporting/fill.html", fault.status if fault else 200, units=units_named(city, {case.unit, report.unit}), **context, **TOOLS)


@router.post("/reports/fill/{number}")
async def fill(request: Request, city: InCity, asker: SignedIn, number: str) -> Response:
    """Take what was typed, or pasted from a table."""
    said = {name: str(value).strip() for name, value in (await request.form()).items()}
    return await run_in_threadpool(lambda: _fill(request, city, asker, number, said))


def _fill(request: Request, city: City, asker: Asker, number: str, said: dict[str, str]) -> Response:
    case = find_case(city, asker, number)
    task = next((one for one in case_tasks(city, asker, number) if one.name == "fill" and one.state == "ready"), None)
    if task is None:
        raise Conflict("reporting.filled", Text(zh="这里已经报过", en="This was reported already"), Text(zh="要改的走更正", en="Correct it where it needs it"), f"case:{number}")
    with city.db.connection() as conn:
        figures = figures_of(conn, case)
    try:
        pasted = read_table(said.get("table", ""), figures)
        values = {code: said.get(f"v.{code}", "") or pasted.get(code, "") for code in figures}
        said |= {f"v.{code}": value for code, value in values.items()}
        complete_task(city, asker, task.id, {"values": values, "explained": said.get("explained", "")})
    except BadInput as fault:
        return _fill_page(request, city, asker, number, fault, said)
    return RedirectResponse(f"/cases/{number}", 303)


def read_table(text: str, figures: dict[str, Figure]) -> dict[str, str]:
    """Values by code from rows of two columns (name or code, value) as a spreadsheet or a CSV file gives them; raises `BadInput`."""
    names = {code: code for code in figures} | {figure.title.zh: code for code, figure in figures.items()} | {figure.title.en: code for code, figure in figures.items() if figure.title.en}
    found: dict[str, str] = {}
    for row in csv.reader(io.StringIO(text), delimiter="\t" if "\t" in text else ","):
        cells = [cell.strip() for cell in row if cell.strip()]
        if not cells:
            continue
        code = names.get(cells[0])
        if code is None or len(cells) < 2:
            raise BadInput(
                "reporting.table", Text(zh=f"粘贴的表里认不出“{cells[0][:30]}”", en=f"“{cells[0][:30]}” of the pasted table is not known here"),
                Text(zh="每行两列：指标名称或代码、数值", en="Two columns a row: name or code of the figure, value"), cells[0][:40],
            )  # fmt: skip
        # A thousands separator cuts a number in two where commas part the columns.
        found[code] = "".join(cells[1:])
    return found


@router.get("/reports/{number}")
def report_page(request: Request, city: InCity, asker: SignedIn, number: str, figure: str = "", place: str = "") -> HTMLResponse:
    """A request: its table with the source of each cell; the history of one."""
    return _report_page(request, city, asker, number, figure, place)


def _report_page(request: Request, city: City, asker: Asker, number: str, figure: str = "", place: str = "", fault: SanquError | None = None) -> HTMLResponse:
    report = find_request(city, asker, number)
    figures = {one.figure.code: one.figure for one in list_figures(city)}
    context: dict[str, Any] = {
        "report": report, "cells": cells_of(city, report), "figures": figures, "units": units_named(city, {report.unit, *report.places}), "fault": fault,
        "picked": (figure, place), "history": history_of(city, asker, figure, place, report.period) if figure and place else [],
    }  # fmt: skip
    return render(request, "reporting/report.html", fault.status if fault else 200, **context, **TOOLS)


@router.post("/reports/{number}")
async def correct(request: Request, city: InCity, asker: SignedIn, number: str) -> Response:
    """Correct a value."""
    said = {name: str(value).strip() for name, value in (await request.form()).items()}
    figure, place = said.get("figure", ""), said.get("place", "")
    try:
        period = (await run_in_threadpool(lambda: find_request(city, asker, number))).period
        await run_in_threadpool(lambda: correct_value(city, asker, figure, place, period, said.get("value", ""), said.get("reason", "")))
    except SanquError as fault:
        return await run_in_threadpool(lambda fault=fault: _report_page(request, city, asker, number, figure, place, fault))  # type: ignore[misc]
    return RedirectResponse(f"/reports/{number}?figure={figure}&place={place}", 303)


@router.get("/reports/{number}/cells.csv")
def report_file(city: InCity, asker: SignedIn, number: str) -> Response:
    """The table of a request as CSV."""
    report = find_request(city, asker, number)
    cells = cells_of(city, report).values()
    return _csv(f"{number}.csv", [("place", "figure", "period", "value", "how", "source"), *((one.place, one.figure, report.period, one.value, one.how, one.source) for one in cells)])
