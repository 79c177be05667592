"""The pages of subsidies paid without applying: programmes, their rules and awards, one award, objecting, the payment list."""

from __future__ import annotations

import math
import time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sanqu.affairs.subsidies import (
    AWARD_STATES,
    PUBLIC_STATES,
    Award,
    award_list,
    awards_held,
    awards_of,
    draw,
    find_award,
    find_programme,
    may_draw,
    object_to,
    objections_to,
    payment_list,
    programmes,
    table_of,
    unit_of,
)
from sanqu.cases.history import case_tasks, find_case
from sanqu.cases.pages import TOOLS, units_named
from sanqu.cases.rights import may_act
from sanqu.cases.work import complete_task
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Busy, NotFound, not_found
from sanqu.ground.http import Asking, InCity, InPerson, Paging, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.sharing.limits import Buckets, address_of
from sanqu.sharing.my_data import identities_of

router = APIRouter(prefix="/affairs", include_in_schema=False)

TextField = Annotated[str, Form()]
OBJECTIONS_PER_MINUTE = 6


@router.get("/subsidies")
def programmes_page(request: Request, city: InCity, asker: Asking) -> HTMLResponse:
    """Every programme with its budget, and what is offered to the enterprises that the asker acts for."""
    mine = awards_held(city, [one.value for one in identities_of(city, asker) if one.kind == "enterprise"])
    return render(request, "affairs/programmes.html", programmes=programmes(city), mine=mine, **TOOLS)


@router.get("/subsidies/{code}")
def programme_page(request: Request, city: InCity, asker: Asking, page: Paging, code: str, q: str = "", state: str = "") -> HTMLResponse:
    """A programme: its rules, its budget, and the awards; those not yet published are for those who work on it."""
    standing = find_programme(city, code)
    programme = standing.programme
    staff = _works_on(city, asker, programme.unit, programme.pays)
    known = AWARD_STATES if staff else PUBLIC_STATES
    found, total = awards_of(city, code, (state,) if state in known else known, q[:100], limit=page.limit, offset=page.offset)
    with city.db.connection() as conn:
        try:
            table = table_of(conn, programme)
        except NotFound:
            table = None
    context: dict[str, Any] = {
        "standing": standing, "programme": programme, "awards": found, "total": total, "page": page, "table": table, "states": known, "state": state, "q": q,
        "units": units_named(city, {unit_of(city, programme.unit), unit_of(city, programme.pays)}), "unit": unit_of(city, programme.unit),
        "staff": staff, "may_draw": asker.signed_in and may_draw(city, asker, programme),
    }  # fmt: skip
    return render(request, "affairs/programme.html", **context, **TOOLS)


def _works_on(city: City, asker: Asker, *units: str) -> bool:
    return asker.is_admin or bool(asker.units & {unit_of(city, one) for one in units})


@router.post("/subsidies/{code}/draw")
def draw_now(city: InCity, asker: InPerson, code: str) -> Response:
    """Work out who is eligible, and offer."""
    draw(city, asker, code)
    return RedirectResponse(f"/affairs/subsidies/{code}", 303)


@router.get("/subsidies/{code}/payments.csv")
def payments(city: InCity, asker: SignedIn, code: str) -> Response:
    """What is to be paid."""
    headers = {"Content-Disposition": f'attachment; filename="{code}-payments.csv"'}
    return Response(payment_list(city, asker, code), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/subsidies/{code}/awards.csv")
def awards_file(city: InCity, code: str) -> Response:
    """The published awards as CSV."""
    headers = {"Content-Disposition": f'attachment; filename="{code}-awards.csv"'}
    return Response(award_list(city, code), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/awards/{number}")
def award_page(request: Request, city: InCity, asker: Asking, number: str) -> HTMLResponse:
    """One award: why, how much, where it stands; one click takes it, anybody may object while it is published."""
    return _award_page(request, city, asker, _seen(city, asker, number))


def _seen(city: City, asker: Asker, number: str) -> Award:
    """The award, for everybody once it is published, before that for those who may know of its case; raises `NotFound`."""
    award = find_award(city, number)
    if award.state not in PUBLIC_STATES:
        if not asker.signed_in:
            raise not_found(Text(zh="奖补", en="award"), number[:40])
        find_case(city, asker, number)
    return award


def _award_page(request: Request, city: City, asker: Asker, award: Award, fault: BadInput | None = None, at_task: UUID | None = None) -> HTMLResponse:
    tasks = case_tasks(city, SYSTEM, award.number)
    with city.db.connection() as conn:
        acting = [task for task in tasks if task.state == "ready" and asker.signed_in and may_act(conn, asker, task)]
    standing = find_programme(city, award.programme)
    context: dict[str, Any] = {
        "award": award, "programme": standing.programme, "open_tasks": acting, "waiting": [task for task in tasks if task.state == "ready"],
        "objections": objections_to(city, award), "fault": fault, "at_task": at_task, "staff": _works_on(city, asker, standing.programme.unit, standing.programme.pays),
        "units": units_named(city, {task.unit for task in tasks}),
    }  # fmt: skip
    return render(request, "affairs/award.html", fault.status if fault else 200, **context, **TOOLS)


@router.post("/awards/{number}/tasks/{id_}")
async def act_on(request: Request, city: InCity, asker: SignedIn, number: str, id_: UUID) -> Response:
    """Confirm, review or pay."""
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    award = find_award(city, number)
    if id_ not in {task.id for task in case_tasks(city, asker, number)}:
        raise not_found(Text(zh="任务", en="task"), str(id_))
    try:
        complete_task(city, asker, id_, form)
    except BadInput as fault:
        return _award_page(request, city, asker, award, fault, id_)
    return RedirectResponse(f"/affairs/awards/{number}", 303)


@router.post("/awards/{number}/object")
def object_now(request: Request, city: InCity, asker: Asking, number: str, text: TextField = "", contact: TextField = "") -> Response:
    """Object while it is published, by name or without."""
    wait = city.part(Buckets, Buckets).take(f"objection:{address_of(request, city)}", OBJECTIONS_PER_MINUTE, time.monotonic())
    if wait > 0:
        raise Busy(
            "affairs.rate", Text(zh="从这个地址来得太快", en="Too many come from this address"),
            Text(zh=f"{math.ceil(wait)} 秒后再试", en=f"Try again in {math.ceil(wait)} s"), facts={"retry_after": math.ceil(wait)},
        )  # fmt: skip
    award = _seen(city, asker, number)
    try:
        object_to(city, number, text, contact)
    except BadInput as fault:
        return _award_page(request, city, asker, award, fault)
    return RedirectResponse(f"/affairs/awards/{number}", 303)
