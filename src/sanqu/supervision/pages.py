"""The pages of supervision: the board, plans and draws, visits on a phone, inspectors; results and draws for everybody."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.datastructures import FormData, UploadFile

from sanqu.cases.files import LARGEST, add_file, files_in
from sanqu.cases.history import case_tasks, find_case
from sanqu.cases.pages import TOOLS, units_named
from sanqu.cases.rights import may_act
from sanqu.cases.work import complete_task
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.errors import BadInput, Conflict, Refused, SanquError
from sanqu.ground.http import Asking, InCity, Paging, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.supervision import draw as program
from sanqu.supervision.drawing import all_draws, anchor, commit_draw, draws_of, void_draw
from sanqu.supervision.figures import figures
from sanqu.supervision.inspections import (
    Wanted,
    draw_and_open,
    export_inspections,
    find_inspection,
    inspection_of,
    list_inspections,
    plan_of,
)
from sanqu.supervision.moves import ANSWERS
from sanqu.supervision.plans import find_plan, list_plans, make_plan, require_staff
from sanqu.supervision.records import REASONS, RESULTS, STATES, UNRATED, Rules
from sanqu.supervision.registers import (
    Inspector,
    avoid,
    check_runs,
    find_items,
    list_inspectors,
    list_items,
    save_inspector,
)
from sanqu.supervision.results import public_results, results_dataset

router = APIRouter(include_in_schema=False)
CSV = "text/csv; charset=utf-8"


@router.get("/supervision")
def board(request: Request, city: InCity, asker: SignedIn, page: Paging, q: str = "") -> HTMLResponse:
    """Figures of the year, and the plans."""
    found, total = list_plans(city, asker, q[:100] or None, page.limit, page.offset)
    newest = {plan.number: next(iter(draws_of(city, plan)), None) for plan in found}
    units = units_named(city, {plan.unit for plan in found})
    return render(
        request, "supervision/board.html", plans=found, newest=newest, total=total, page=page, q=q, units=units, figures=figures(city, asker, now()), **TOOLS
    )


@router.get("/supervision/plans/new")
def new_plan(request: Request, city: InCity, asker: SignedIn) -> HTMLResponse:
    """Make a plan."""
    require_staff(asker)
    return _new_page(request, city, asker)


def _new_page(request: Request, city: City, asker: Asker, fault: SanquError | None = None, said: dict[str, Any] | None = None) -> HTMLResponse:
    units = units_named(city, {role.unit for role in asker.held})
    offered = units_named(city, {row["code"] for row in city.db.all("SELECT code FROM org_unit WHERE kind = 'department' AND state = 'active'")})
    context: dict[str, Any] = {"items": list_items(city), "mine": units, "offered": offered, "weights": Rules.model_fields["weights"].default, "unrated": UNRATED}
    return render(request, "supervision/new.html", fault.status if fault else 200, fault=fault, said=said or {}, **context)


@router.post("/supervision/plans/new")
async def add_plan(request: Request, city: InCity, asker: SignedIn) -> Response:
    """Keep a plan as its form says it."""
    form = await request.form()
    said: dict[str, Any] = {name: str(value) for name, value in form.items()} | {"items": form.getlist("items")}
    try:
        plan = await run_in_threadpool(lambda: make_plan(city, asker, said.get("title", ""), rules_in(said)))
    except (BadInput, Refused) as fault:
        return _new_page(request, city, asker, fault, said)
    return RedirectResponse(f"/supervision/plans/{plan.number}", 303)


def rules_in(said: dict[str, Any]) -> dict[str, Any]:
    """The rules that a form says: teams as three lines of unit and count, quota as `name=number` lines, weights as `w.A`."""
    teams = [{"unit": said[f"unit{n}"].strip(), "count": said.get(f"count{n}") or 2} for n in range(3) if said.get(f"unit{n}", "").strip()]
    rules: dict[str, Any] = {"items": said["items"], "teams": teams, "weights": {name[2:]: value.strip() for name, value in said.items() if name.startswith("w.") and value.strip()}}
    rules |= {name: said[name] for name in ("group", "each", "most_visits", "most_each", "correct_days") if said.get(name, "").strip()}
    rules |= {name: said[name].replace("，", " ").replace(",", " ").split() for name in ("counties", "kinds") if said.get(name, "").strip()}
    quota = [line.partition("=") for line in said.get("quota", "").replace("＝", "=").splitlines() if line.strip()]
    return rules | ({"quota": {name.strip(): take.strip() for name, _, take in quota}} if quota else {})


@router.get("/supervision/plans/{number}")
def plan_page(request: Request, city: InCity, asker: SignedIn, page: Paging, number: str, state: str = "", result: str = "", q: str = "") -> HTMLResponse:
    """A plan: its rules, all its draws with what may be done now, its inspections."""
    return _plan_page(request, city, asker, number, page.limit, page.offset, Wanted(number, state=state or None, result=result or None, text=q or None))


def _plan_page(
    request: Request, city: City, asker: Asker, number: str, limit: int = 50, offset: int = 0, wanted: Wanted | None = None, fault: SanquError | None = None
) -> HTMLResponse:
    plan = find_plan(city, asker, number)
    wanted = wanted or Wanted(number)
    found, total = list_inspections(city, asker, wanted, limit, offset)
    with city.db.connection() as conn:
        items = find_items(conn, plan.rules.items)
        try:
            check_runs(conn, asker, plan.unit)
            runs = True
        except Refused:
            runs = False
    draws = draws_of(city, plan)
    context: dict[str, Any] = {
        "plan": plan, "items": items, "draws": draws, "standing": next((one for one in draws if one.state != "void"), None), "runs": runs,
        "inspections": found, "total": total, "limit": limit, "offset": offset, "wanted": wanted, "states": STATES, "results": RESULTS,
        "units": units_named(city, {team.unit for team in plan.rules.teams}), "fault": fault, "unrated": UNRATED,
    }  # fmt: skip
    return render(request, "supervision/plan.html", fault.status if fault else 200, **context, **TOOLS)


@router.get("/supervision/plans/{number}/inspections.csv")
def plan_file(city: InCity, asker: SignedIn, number: str, state: str = "", result: str = "", q: str = "") -> Response:
    """The inspections of a plan as CSV."""
    wanted = Wanted(find_plan(city, asker, number).number, state=state or None, result=result or None, text=q or None)
    return StreamingResponse(export_inspections(city, asker, wanted), media_type=CSV, headers={"Content-Disposition": f'attachment; filename="{number}.csv"'})


@router.post("/supervision/plans/{number}/{act}")
def act_on(request: Request, city: InCity, asker: SignedIn, number: str, act: str, witness: Annotated[str, Form()] = "", reason: Annotated[str, Form()] = "") -> Response:
    """Commit, draw, void, or keep the proof of a commitment; what stands against it is said on the page."""
    try:
        match act:
            case "commit":
                commit_draw(city, asker, number)
            case "draw":
                draw_and_open(city, asker, number, witness)
            case "void":
                void_draw(city, asker, number, reason)
            case _:
                for one in draws_of(city, find_plan(city, asker, number)):
                    anchor(city, number, one.round)
    except (BadInput, Conflict, Refused) as fault:
        return _plan_page(request, city, asker, number, fault=fault)
    return RedirectResponse(f"/supervision/plans/{number}#draws", 303)


@router.get("/supervision/inspections")
def inspections(request: Request, city: InCity, asker: SignedIn, page: Paging, state: str = "", result: str = "", q: str = "", target: str = "") -> HTMLResponse:
    """All inspections that the reader's units carry out."""
    wanted = Wanted(state=state or None, result=result or None, text=q or None, target=target or None)
    found, total = list_inspections(city, asker, wanted, page.limit, page.offset)
    context: dict[str, Any] = {"inspections": found, "total": total, "page": page, "wanted": wanted, "states": STATES, "results": RESULTS}
    return render(request, "supervision/inspections.html", **context, **TOOLS)


@router.get("/supervision/inspections.csv")
def inspections_file(city: InCity, asker: SignedIn, state: str = "", result: str = "", q: str = "", target: str = "") -> Response:
    """The list as CSV."""
    require_staff(asker)
    wanted = Wanted(state=state or None, result=result or None, text=q or None, target=target or None)
    return StreamingResponse(export_inspections(city, asker, wanted), media_type=CSV, headers={"Content-Disposition": 'attachment; filename="inspections.csv"'})


@router.get("/supervision/visits/{number}")
def visit_page(request: Request, city: InCity, asker: SignedIn, number: str) -> HTMLResponse:
    """The phone page of a visit."""
    return _visit_page(request, city, asker, number)


def _visit_page(request: Request, city: City, asker: Asker, number: str, fault: BadInput | None = None, said: dict[str, str] | None = None) -> HTMLResponse:
    case = find_case(city, asker, number)
    with city.db.connection() as conn:
        one = inspection_of(conn, number)
        items = find_items(conn, plan_of(conn, one.plan).rules.items)
        tasks = [task for task in case_tasks(city, asker, number) if task.name == "visit" and task.state == "ready" and may_act(conn, asker, task)]
    context: dict[str, Any] = {
        "case": case, "one": one, "items": items, "task": tasks[0] if tasks else None, "results": RESULTS, "answers": ANSWERS, "files": files_in(city, case),
        "today": now().astimezone(CITY_ZONE).date().isoformat(), "fault": fault, "said": said or {},
    }  # fmt: skip
    return render(request, "supervision/visit.html", fault.status if fault else 200, **context, **TOOLS)


@router.post("/supervision/visits/{number}")
async def visit(request: Request, city: InCity, asker: SignedIn, number: str) -> Response:
    """Keep photos and the signature, then what was found."""
    form = await request.form(max_files=10, max_part_size=20_000_000)
    said = {name: value for name, value in form.items() if isinstance(value, str)}
    signature = said.pop("signature", "")
    try:
        await _keep_pictures(city, asker, number, form, signature)
        await run_in_threadpool(lambda: _complete_visit(city, asker, number, said))
    except BadInput as fault:
        return await run_in_threadpool(lambda fault=fault: _visit_page(request, city, asker, number, fault, said))  # type: ignore[misc]
    return RedirectResponse(f"/cases/{number}", 303)


async def _keep_pictures(city: City, asker: Asker, number: str, form: FormData, signature: str) -> None:
    for one in form.getlist("photos"):
        if isinstance(one, UploadFile) and one.filename:
            content, name = await one.read(LARGEST + 1), one.filename
            await run_in_threadpool(lambda content=content, name=name: add_file(city, asker, number, "photo", content, name=name))  # type: ignore[misc]
    if signature.startswith("data:image/png;base64,"):
        drawn = b64decode(signature.split(",", 1)[1][:4_000_000])
        await run_in_threadpool(lambda: add_file(city, asker, number, "signature", drawn))


def _complete_visit(city: City, asker: Asker, number: str, said: dict[str, str]) -> None:
    task = next((one for one in case_tasks(city, asker, number) if one.name == "visit" and one.state == "ready"), None)
    if task is None:
        raise Conflict(
            "supervision.visited", Text(zh="这次检查已经记过", en="This visit was noted already"),
            Text(zh="看办件的经过", en="See the history of the case"), f"case:{number}",
        )  # fmt: skip
    checks = {name[2:]: value for name, value in said.items() if name.startswith("c.") and value}
    result = {name: said.get(name, "") for name in ("visited", "result", "visit_note")}
    complete_task(city, asker, task.id, {**result, "checks": checks})


@router.get("/supervision/inspectors")
def inspectors(request: Request, city: InCity, asker: SignedIn, page: Paging, unit: str = "", q: str = "") -> HTMLResponse:
    """Who may inspect."""
    require_staff(asker)
    return _inspectors_page(request, city, page.limit, page.offset, unit, q)


def _inspectors_page(
    request: Request, city: City, limit: int = 50, offset: int = 0, unit: str = "", q: str = "", fault: SanquError | None = None, said: dict[str, str] | None = None
) -> HTMLResponse:
    found, total = list_inspectors(city, unit or None, q[:60] or None, limit, offset)
    context: dict[str, Any] = {
        "inspectors": found, "total": total, "limit": limit, "offset": offset, "unit": unit, "q": q, "items": list_items(city), "reasons": REASONS,
        "units": units_named(city, {one.unit for one in found}), "today": now().astimezone(CITY_ZONE).date(), "fault": fault, "said": said or {},
    }  # fmt: skip
    return render(request, "supervision/inspectors.html", fault.status if fault else 200, **context)


@router.post("/supervision/inspectors")
async def keep_inspector(request: Request, city: InCity, asker: SignedIn) -> Response:
    """Add an inspector or change one; or note whom one must avoid."""
    form = await request.form()
    said = {name: str(value).strip() for name, value in form.items()}
    try:
        await run_in_threadpool(lambda: _keep(city, asker, said, [str(one) for one in form.getlist("items")]))
    except SanquError as fault:
        return await run_in_threadpool(lambda fault=fault: _inspectors_page(request, city, fault=fault, said=said))  # type: ignore[misc]
    return RedirectResponse("/supervision/inspectors", 303)


def _keep(city: City, asker: Asker, said: dict[str, str], items: Iterable[str]) -> None:
    with city.db.connection() as conn:
        if said.get("target"):
            of_unit = not said.get("certificate")
            avoid(
                conn, asker, said["target"], said.get("reason", ""), inspector=None if of_unit else said["certificate"],  # type: ignore[arg-type]
                unit=said.get("unit") if of_unit else None,
            )  # fmt: skip
            return
        save_inspector(
            conn, asker,
            Inspector(
                said.get("certificate", ""), said.get("name", ""), said.get("unit", ""), None, tuple(items), _day(said.get("valid_until", "")),
                _day(said.get("away_from", "")), _day(said.get("away_until", "")), said.get("active", "true") == "true",
            ),
        )  # fmt: skip


def _day(said: str) -> date | None:
    try:
        return date.fromisoformat(said) if said else None
    except ValueError as fault:
        raise BadInput("supervision.day", Text(zh="日期不合规", en="The day does not fit"), Text(zh="写成 2026-10-09", en="Write it as 2026-10-09"), said[:40]) from fault


@router.get("/inspections")
def results_page(request: Request, city: InCity, asker: Asking, page: Paging, q: str = "", result: str = "") -> HTMLResponse:
    """Published results, for everybody."""
    found, total = public_results(city, asker, q[:100], result if result in RESULTS else "", None, page.limit, page.offset)
    context: dict[str, Any] = {"rows": found, "total": total, "page": page, "q": q, "result": result, "results": RESULTS, "dataset": results_dataset(city)}
    return render(request, "supervision/results.html", **context)


@router.get("/inspections/draws")
def draws_page(request: Request, city: InCity, page: Paging) -> HTMLResponse:
    """All draws, void ones too, with what anybody needs to repeat them."""
    found, total = all_draws(city, page.limit, page.offset)
    units = units_named(city, {unit for _, _, unit in found})
    return render(request, "supervision/draws.html", draws=found, total=total, page=page, units=units, **TOOLS)


@router.get("/inspections/draw.py")
def draw_program() -> Response:
    """The program of the draw, to be taken away."""
    text = Path(program.__file__).read_text("utf-8")
    return PlainTextResponse(text, headers={"Content-Disposition": 'attachment; filename="draw.py"'})


@router.get("/supervision/inspections/{number}")
def inspection_page(city: InCity, asker: SignedIn, number: str) -> Response:
    """An inspection is its case."""
    one = find_inspection(city, asker, number)
    return RedirectResponse(f"/cases/{one.case}" if one.case else f"/supervision/plans/{one.plan}", 303)
