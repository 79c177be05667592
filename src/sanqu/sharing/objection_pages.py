"""The page and the interface on which one says that a value is wrong."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError

from sanqu.cases.api import case_facts
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, NotFound, SanquError, not_found
from sanqu.ground.http import InCity, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.sharing.applications import law_over
from sanqu.sharing.corrections import Objection, object_to
from sanqu.sharing.law import DatasetLaw, law_book
from sanqu.sharing.my_data import holdings_of, identities_of

pages = APIRouter(include_in_schema=False)
api = APIRouter(tags=["校核 · Corrections"])

EXAMPLE = {"dataset": "residents", "key": ["ID0007"], "item": "town", "proposed": "330802002", "evidence": "户口簿 · household register"}


def _law(city: City, asker: Asker, dataset: str) -> DatasetLaw:
    """The law over a dataset that the asker may know of, or that holds the asker."""
    try:
        return law_over(city, asker, dataset)
    except NotFound:
        law = law_book(city).law(law_book(city).current([])[0], dataset)
        if law is None or dataset not in {one.dataset for one in holdings_of(city, identities_of(city, asker))}:
            raise not_found(Text(zh="数据集", en="dataset"), dataset) from None
        return law


@pages.get("/objections/{dataset}")
def objection_page(
    request: Request, city: InCity, asker: SignedIn, dataset: str, item: str = "", purpose: str = ""
) -> HTMLResponse:  # fmt: skip
    """The form; `key` may be given once for each item of the dataset's key."""
    keys = request.query_params.getlist("key")
    return _form(request, _law(city, asker, dataset), {"keys": keys, "item": item, "purpose": purpose}, None)


def _form(request: Request, law: DatasetLaw, filled: dict[str, Any], fault: SanquError | None) -> HTMLResponse:
    blank: dict[str, Any] = {"keys": [], "item": "", "purpose": "", "proposed": "", "evidence": ""}
    status = fault.status if fault is not None else 200
    return render(request, "sharing/objection.html", status, law=law, contract=law.contract, fault=fault, **(blank | filled))


@pages.post("/objections/{dataset}")
async def send_objection(request: Request, city: InCity, asker: SignedIn, dataset: str) -> Response:
    """Object, and see one's case; what is wrong with it is said on the form."""
    form = await request.form()
    law = _law(city, asker, dataset)
    keys = [str(key) for key in form.getlist("key")]
    said = {name: str(form.get(name) or "").strip() for name in ("item", "proposed", "evidence", "purpose")}
    try:
        case = object_to(city, asker, _objection({**said, "dataset": dataset, "key": keys, "proposed": said["proposed"] or None}))
    except SanquError as fault:
        return _form(request, law, said | {"keys": keys}, fault)
    return RedirectResponse(f"/cases/{case.number}", 303)


def _objection(said: dict[str, Any]) -> Objection:
    try:
        return Objection.model_validate(said)
    except ValidationError as fault:
        place = str(fault.errors()[0]["loc"][0])
        raise BadInput(
            "sharing.objection",
            Text(zh=f"{place} 没有填好", en=f"{place} does not fit"),
            Text(zh="写明主键、数据项和证据", en="Give the key, the item and the evidence"),
            place,
        ) from fault


@api.post("/api/objections", status_code=201, summary="提出校核 · Report a wrong value")
def send(city: InCity, asker: SignedIn, said: Annotated[Objection, Body(openapi_examples={"one": {"value": EXAMPLE}})]) -> dict[str, Any]:
    """Say which value of which row is wrong; the steward corrects it or says why not. Follow `/api/cases/{number}`."""
    return case_facts(object_to(city, asker, said))
