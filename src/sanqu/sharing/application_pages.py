"""The pages and the interface of applications: applying from an explained query, deciding, and running the query then."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Body, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError
from starlette.datastructures import FormData

from sanqu.cases.api import case_facts
from sanqu.cases.history import case_tasks, find_case
from sanqu.cases.pages import TOOLS as CASE_TOOLS
from sanqu.cases.records import Case, Task
from sanqu.cases.work import complete_task
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, SanquError
from sanqu.ground.http import InCity, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.lake.contracts import USES
from sanqu.sharing.applications import Application, application_in, apply_for, law_over, smallest_for
from sanqu.sharing.door import Question
from sanqu.sharing.law import DatasetLaw

pages = APIRouter(include_in_schema=False)
api = APIRouter(tags=["共享申请 · Applications"])

# Masks that a page offers; finer ones go by the interface.
MASKS: dict[str, dict[str, Any]] = {
    "keep": {"kind": "keep", "first": 1, "last": 1},
    "hash": {"kind": "hash"},
    "drop": {"kind": "drop"},
}
EXAMPLE = {
    "dataset": "residents", "items": [{"item": "name", "uses": ["plain"]}, {"item": "income", "uses": ["aggregate"]}], "purpose": "relief",
    "why": "核对低保对象 · to check who may get relief", "assignee": "unit:330802", "unit": "*", "until": "2027-12-31",
}  # fmt: skip


@pages.get("/apply/{dataset}")
def apply_page(request: Request, city: InCity, asker: SignedIn, dataset: str, sql: str = "", purpose: str = "") -> HTMLResponse:
    """The form of an application; for a query that was refused, filled in with the smallest grant that would be enough."""
    law = law_over(city, asker, dataset)
    chosen: dict[str, tuple[str, ...]] = {}
    unit = "*" if law.contract.unit_item is not None and asker.is_staff else None
    if sql:
        try:
            wish = smallest_for(city, asker, dataset, Question(sql, purpose.strip()))
        except SanquError:
            wish = None
        if wish is not None:
            chosen, unit = {one.item: tuple(one.uses) for one in wish.items}, wish.unit
    return _form(request, law, {"chosen": chosen, "unit": unit, "sql": sql, "purpose": purpose}, None)


def _form(request: Request, law: DatasetLaw, filled: dict[str, Any], fault: BadInput | None) -> HTMLResponse:
    blank: dict[str, Any] = {"chosen": {}, "unit": None, "sql": "", "purpose": "", "why": "", "until": "", "assignee": ""}
    status = fault.status if fault is not None else 200
    return render(
        request, "sharing/apply.html", status, law=law, contract=law.contract, uses=USES, fault=fault, **(blank | filled)
    )


@pages.post("/apply/{dataset}")
async def send_application(request: Request, city: InCity, asker: SignedIn, dataset: str) -> Response:
    """Apply, and see one's case."""
    form = await request.form()
    law = law_over(city, asker, dataset)
    chosen = _chosen(form)
    said = {name: str(form.get(name) or "").strip() for name in ("purpose", "why", "assignee", "unit", "until", "sql")}
    try:
        case = apply_for(city, asker, _application(dataset, chosen, said))
    except BadInput as fault:
        return _form(request, law, said | {"chosen": chosen, "unit": said["unit"] or None}, fault)
    return RedirectResponse(f"/cases/{case.number}", 303)


def _chosen(form: FormData) -> dict[str, tuple[str, ...]]:
    """The items that were ticked, with the uses ticked for each."""
    return {str(item): tuple(map(str, form.getlist(f"uses.{item}"))) or ("plain",) for item in form.getlist("items")}


def _application(dataset: str, chosen: dict[str, tuple[str, ...]], said: dict[str, str]) -> Application:
    items = [{"item": item, "uses": uses} for item, uses in chosen.items()]
    try:
        return Application.model_validate(
            {"dataset": dataset, "items": items} | {name: value for name, value in said.items() if value}
        )
    except ValidationError as fault:
        place = str(fault.errors()[0]["loc"][0])
        raise BadInput(
            "sharing.application",
            Text(zh=f"申请的 {PLACES.get(place, Text(zh=place)).zh} 没有填好", en=f"{place} of the application does not fit"),
            Text(zh="选数据项，写明用途和理由", en="Choose items, and say what for and why"),
            dataset,
        ) from fault


PLACES = {
    "items": Text(zh="数据项"),
    "purpose": Text(zh="用途"),
    "why": Text(zh="理由"),
    "until": Text(zh="有效期"),
    "assignee": Text(zh="授予对象"),
}


@pages.get("/applications/{number}")
def decision_page(request: Request, city: InCity, asker: SignedIn, number: str) -> HTMLResponse:
    """What was applied for, item by item, and the form of the decision."""
    case = find_case(city, asker, number)
    return _decision(request, city, asker, case, None, {})


def _decision(
    request: Request, city: City, asker: Asker, case: Case, fault: BadInput | None, filled: dict[str, str]
) -> HTMLResponse:  # fmt: skip
    task, said = _open_decision(city, asker, case), application_in(case)
    law = law_over(city, asker, said.dataset)
    ground = next(field for field in task.form if field.name == "ground")
    status = fault.status if fault is not None else 200
    return render(
        request, "sharing/decision.html", status, case=case, task=task, said=said, law=law, contract=law.contract, fault=fault, filled=filled,
        grounds=ground.options, masks=list(MASKS), uses=USES, **CASE_TOOLS,
    )  # fmt: skip


def _open_decision(city: City, asker: Asker, case: Case) -> Task:
    for task in case_tasks(city, asker, case.number):
        if task.name == "decide" and task.state == "ready":
            return task
    raise Conflict(
        "sharing.no-decision",
        Text(zh="这件申请现在不在审核决定这一步", en="The application is not to be decided on now"),
        Text(zh="看办件现在到了哪一步", en="Look at where the case stands"),
        f"case:{case.number}",
    )


@pages.post("/applications/{number}")
async def decide(request: Request, city: InCity, asker: SignedIn, number: str) -> Response:
    """Grant as narrowed, refuse on a ground, or send back."""
    form = await request.form()
    case = find_case(city, asker, number)
    result: dict[str, Any] = {name: str(form.get(name) or "") for name in ("decision", "ground", "note")}
    if result["decision"] == "grant":
        result["terms"] = _terms(form)
    try:
        complete_task(city, asker, _open_decision(city, asker, case).id, result)
    except BadInput as fault:
        filled = {name: str(form.get(name) or "") for name in ("decision", "ground", "note", "until", "reads", "rows")}
        return _decision(request, city, asker, case, fault, filled)
    return RedirectResponse(f"/cases/{number}", 303)


def _terms(form: FormData) -> dict[str, Any]:
    items = []
    for item, uses in _chosen(form).items():
        mask = MASKS.get(str(form.get(f"mask.{item}") or ""))
        items.append({"item": item, "uses": uses, "masks": [mask] if mask else []})
    said = {name: str(form.get(name) or "") for name in ("unit", "until", "reads", "rows")}
    return (
        {"items": items}
        | {name: value for name, value in said.items() if value}
        | ({"consent": True} if form.get("consent") else {})
    )


@pages.get("/applications/{number}/query")
def run_again(city: InCity, asker: SignedIn, number: str) -> Response:
    """Back to the query that the application was for, with its purpose."""
    said = application_in(find_case(city, asker, number))
    return RedirectResponse(f"/ask?{urlencode({'sql': said.sql, 'purpose': said.purpose})}", 303)


@api.post("/api/applications", status_code=201, summary="申请数据 · Apply for data")
def send(
    city: InCity, asker: SignedIn, said: Annotated[Application, Body(openapi_examples={"one": {"value": EXAMPLE}})]
) -> dict[str, Any]:
    """Apply for items of a dataset; the steward decides within the working days of the settings. Follow `/api/cases/{number}`."""
    return case_facts(apply_for(city, asker, said))
