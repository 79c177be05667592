"""The law over a dataset as its steward works with it: grades and uses, what values were found to be, grants, the interface."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, get_args
from uuid import UUID

from fastapi import APIRouter, Body, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.errors import BadInput
from sanqu.ground.http import InCity, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.lake.contracts import USES, Grade, Identifies
from sanqu.sharing.ask_api import law_for_steward
from sanqu.sharing.grading import DatasetRules, ItemLaw, findings_of, flagged, inspect, set_rules
from sanqu.sharing.grants import Grant, ItemGrant, add_grant, grant_by_id, list_grants, withdraw_grant
from sanqu.sharing.interfaces import Interface, interface_of, switch_off, switch_on, uses_of_interface

pages = APIRouter(include_in_schema=False)
api = APIRouter(tags=["规则 · Law"])

RULES_EXAMPLE = {
    "grade": "L2", "sharing": "conditional", "opening": "none", "least_group": 5,
    "items": {"income": {"grade": "L3", "uses": ["aggregate"]}, "id": {"grade": "L3", "uses": ["join"], "identifies": "person"}},
}  # fmt: skip


@pages.get("/datasets/{name}/law")
def law_page(request: Request, city: InCity, asker: SignedIn, name: str) -> HTMLResponse:
    """Grades, uses, findings, grants and the lookup interface of one dataset."""
    law = law_for_steward(city, asker, name)
    findings = {one.item: one for one in findings_of(city, name)}
    used = uses_of_interface(city, name)
    context: dict[str, Any] = {
        "law": law, "dataset": law.dataset, "contract": law.contract, "findings": findings,
        "flags": flagged(law.contract, list(findings.values())), "grants": list_grants(city, dataset=name, limit=200),
        "interface": interface_of(city, name), "looked_up": sum(row["found"] + row["missed"] for row in used),
        "uses": USES, "grades": get_args(Grade), "kinds": get_args(Identifies),
    }  # fmt: skip
    return render(request, "sharing/law.html", **context)


@pages.post("/datasets/{name}/law")
async def save_law(request: Request, city: InCity, asker: SignedIn, name: str) -> Response:
    """Set grades, types and uses."""
    form = await request.form()
    law = law_for_steward(city, asker, name)
    items = {
        item: ItemLaw.model_validate(
            {
                "grade": form.get(f"grade.{item}") or None, "uses": form.getlist(f"uses.{item}") or ["plain"],
                "identifies": form.get(f"identifies.{item}") or None,
            }
        )
        for item in law.contract.names
    }  # fmt: skip
    rules = {key: form.get(key) for key in ("grade", "sharing", "opening", "least_group")}
    set_rules(city, asker, law.contract, DatasetRules.model_validate({**rules, "items": items}))
    return _back(name)


@pages.post("/datasets/{name}/law/inspect")
def inspect_now(city: InCity, asker: SignedIn, name: str) -> Response:
    """Look at the values now."""
    law_for_steward(city, asker, name)
    inspect(city, name)
    return _back(name)


@pages.post("/datasets/{name}/law/grants")
def give_grant(
    city: InCity, asker: SignedIn, name: str, assignee: Annotated[str, Form()], purposes: Annotated[str, Form()],
    items: Annotated[list[str], Form()], use: Annotated[str, Form()] = "plain", mask: Annotated[str, Form()] = "",
    until: Annotated[str, Form()] = "", own: Annotated[bool, Form()] = False, ground: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Grant items: the same use and mask for all of them; finer grants go by the interface."""
    law = law_for_steward(city, asker, name)
    masks = ({"kind": mask, **MASKS[mask]},) if mask else ()
    said = {
        "dataset": name, "assignee": assignee.strip(), "purposes": [one.strip() for one in purposes.replace("，", ",").split(",") if one.strip()],
        "items": [ItemGrant.model_validate({"item": item, "uses": [use], "masks": masks}) for item in items],
        "until": _day(until), "unit": "*" if own else None, "ground": ground.strip(),
    }  # fmt: skip
    with city.db.connection() as conn:
        add_grant(conn, asker, _grant(said), law.contract, law.dataset.unit)
    return _back(name)


MASKS: dict[str, dict[str, Any]] = {"keep": {"first": 1, "last": 1}, "hash": {}, "drop": {}}


def _grant(said: dict[str, Any]) -> Grant:
    try:
        return Grant.model_validate(said)
    except ValueError as fault:
        place = str(getattr(fault, "errors", lambda: [{"loc": ("?",)}])()[0]["loc"][0])
        raise BadInput(
            "sharing.grant",
            Text(zh=f"授权的 {place} 不合规", en=f"{place} of the grant does not fit"),
            Text(
                zh="被授权人写作 unit:330802、user:12 或 key:3；用途至少一个",
                en="Write whom as unit:330802, user:12 or key:3; give a purpose",
            ),
            place,
        ) from fault


def _day(said: str) -> datetime | None:
    if not said:
        return None
    try:
        return datetime.fromisoformat(said).replace(tzinfo=CITY_ZONE)
    except ValueError as fault:
        raise BadInput(
            "sharing.until",
            Text(zh="截止日期读不懂", en="The day cannot be read"),
            Text(zh="写作 2027-12-31", en="Write 2027-12-31"),
            said[:20],
        ) from fault


@pages.post("/datasets/{name}/law/grants/{id_}/withdraw")
def take_grant_back(city: InCity, asker: SignedIn, name: str, id_: UUID) -> Response:
    """End a grant."""
    granted = grant_by_id(city, id_)
    law_for_steward(city, asker, granted.grant.dataset)
    with city.db.connection() as conn:
        withdraw_grant(conn, asker, id_)
    return _back(name)


@pages.post("/datasets/{name}/law/interface")
def turn_interface(city: InCity, asker: SignedIn, name: str, on: Annotated[bool, Form()] = False) -> Response:
    """One click makes the lookup interface; another closes it."""
    law = law_for_steward(city, asker, name)
    with city.db.connection() as conn:
        if on:
            switch_on(conn, asker, name, law.contract, Interface())
        else:
            switch_off(conn, asker, name)
    return _back(name)


def _back(name: str) -> Response:
    return RedirectResponse(f"/datasets/{name}/law", 303)


@api.get("/api/datasets/{name}/law", summary="数据集的规则 · The law over a dataset")
def read_law(city: InCity, asker: SignedIn, name: str) -> dict[str, Any]:
    """Grades, types, uses and findings; for the steward."""
    law = law_for_steward(city, asker, name)
    findings = findings_of(city, name)
    low = flagged(law.contract, findings)
    return {
        "grade": law.contract.grade, "sharing": law.contract.sharing, "opening": law.contract.opening,
        "least_group": law.contract.least_group,
        "items": {item.name: {"grade": law.contract.grade_of(item.name), "uses": item.uses, "identifies": item.identifies} for item in law.contract.fields},
        "findings": [
            {"item": one.item, "kind": one.kind, "share": one.share, "grade": one.grade, "too_low": one.item in low} for one in findings
        ],
    }  # fmt: skip


@api.put("/api/datasets/{name}/law", summary="改规则 · Change the law over a dataset")
def put_law(
    city: InCity,
    asker: SignedIn,
    name: str,
    rules: Annotated[DatasetRules, Body(openapi_examples={"one": {"value": RULES_EXAMPLE}})],
) -> dict[str, Any]:
    """Set grades, types and uses; the next read goes by them."""
    law = law_for_steward(city, asker, name)
    set_rules(city, asker, law.contract, rules)
    return read_law(city, asker, name)


@api.post("/api/datasets/{name}/law/inspect", summary="识别敏感数据 · Look at the values")
def inspect_values(city: InCity, asker: SignedIn, name: str) -> dict[str, Any]:
    """Look at the values now and propose grades."""
    law_for_steward(city, asker, name)
    inspect(city, name)
    return read_law(city, asker, name)
