"""The pages of the window (一窗受理): what waits, all filings, filing for a person who walks in; following by code."""

from __future__ import annotations

import math
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from sanqu.affairs.catalogue import catalogue_of
from sanqu.affairs.filing import ID_NUMBER, Filed, check_window, file_at_window
from sanqu.affairs.filings import export_filings, filing_by_code, list_filings
from sanqu.affairs.forms import form_of, new_from, wanted_of
from sanqu.affairs.pages import form_page, show_filing
from sanqu.affairs.records import STATES
from sanqu.cases.history import case_tasks
from sanqu.cases.pages import TOOLS
from sanqu.cases.work import complete_task
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, Busy, NotFound
from sanqu.ground.http import Asking, InCity, InPerson, Paging, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import SYSTEM
from sanqu.sharing.limits import Buckets, address_of
from sanqu.sharing.my_data import Identity, consent_to

router = APIRouter(prefix="/affairs", include_in_schema=False)

CSV = "text/csv; charset=utf-8"
TextField = Annotated[str, Form()]
CODES_PER_MINUTE = 10


@router.get("/window")
def window_page(request: Request, city: InCity, asker: SignedIn, page: Paging) -> HTMLResponse:
    """All filings with their filters, and what may be filed for a person who walks in."""
    wanted = wanted_of(request)
    found, total = list_filings(city, asker, wanted, limit=page.limit, offset=page.offset)
    offer = catalogue_of(city)
    context: dict[str, Any] = {
        "filings": found, "total": total, "page": page, "wanted": wanted, "said": request.query_params, "offered": offer.offered(),
        "things": offer.titles(), "cities": offer.cities, "states": ("open", *STATES), "at": now(),
    }  # fmt: skip
    return render(request, "affairs/window.html", **context, **TOOLS)


@router.get("/filings.csv")
def filings_file(request: Request, city: InCity, asker: SignedIn) -> Response:
    """The filtered filings as CSV, without whom they are for."""
    check_window(city, asker)
    headers = {"Content-Disposition": 'attachment; filename="filings.csv"'}
    return StreamingResponse(export_filings(city, asker, wanted_of(request)), media_type=CSV, headers=headers)


@router.post("/window/begin")
def begin(
    request: Request, city: InCity, asker: InPerson, thing: TextField, id_number: TextField, agreed: Annotated[bool, Form()] = False
) -> HTMLResponse:
    """Begin for a person who has shown their ID card; with their consent, the form is filled from what the city holds."""
    check_window(city, asker)
    offered = catalogue_of(city).find(thing)
    subject = _subject(offered.thing.who, id_number)
    if agreed:
        # Taken down in the presence of whoever consents; the ledger names the officer.
        consent_to(city, asker, offered.datasets, offered.code, subject)
    return form_page(request, city, offered, subject, {"id_number": id_number}, window=True)


def _subject(who: Literal["person", "enterprise"], said: str) -> Identity:
    value = said.strip().upper()
    if who == "person" and ID_NUMBER.fullmatch(value) is None:
        raise BadInput(
            "affairs.id-number", Text(zh="公民身份号码不合规", en="The ID number does not fit"), Text(zh="照身份证填十八位", en="Eighteen letters, as on the card")
        )
    return Identity(who, value[:64])


@router.post("/window/{code}")
async def file_it(request: Request, city: InCity, asker: SignedIn, code: str) -> Response:
    """File it for the person at the window; where they have no account, a follow-up code is shown once."""
    said, photos = await form_of(request)

    def act() -> Response:
        check_window(city, asker)
        offered = catalogue_of(city).find(code)
        subject = _subject(offered.thing.who, said.get("id_number", ""))
        try:
            filed = file_at_window(city, asker, code, subject, new_from(said, photos))
        except BadInput as fault:
            return form_page(request, city, offered, subject, said, fault, window=True)
        return _receipt(request, filed)

    return await run_in_threadpool(act)


def _receipt(request: Request, filed: Filed) -> Response:
    if filed.code is None:
        return RedirectResponse(f"/affairs/filings/{filed.filing.number}", 303)
    return render(request, "affairs/receipt.html", filing=filed.filing, code=filed.code, **TOOLS)


@router.get("/code")
def code_page(request: Request) -> HTMLResponse:
    """A place to type the follow-up code of a filing."""
    return render(request, "affairs/code.html", wrong=None)


@router.post("/code")
def by_code(request: Request, city: InCity, asker: Asking, code: TextField = "") -> HTMLResponse:
    """Follow a filing by the code that was given at the window."""
    _limit(request, city)
    try:
        return show_filing(request, city, asker, filing_by_code(city, code), code=code)
    except NotFound as fault:
        return render(request, "affairs/code.html", 404, wrong=fault.what)


@router.post("/code/rate")
def rate_by_code(
    request: Request, city: InCity, asker: Asking, code: TextField, rating: TextField = "", rating_note: TextField = "", about_unit: TextField = ""
) -> HTMLResponse:
    """Rate by the code, first or again; the city does it in the name of its holder, whom nobody knows."""
    _limit(request, city)
    filing = filing_by_code(city, code)
    tasks = [task for task in case_tasks(city, SYSTEM, filing.number) if task.state == "ready" and task.name in ("rate", "rerate")]
    fault: BadInput | None = None
    for task in tasks:
        form = {"rating": rating, "rating_note": rating_note, "about_unit": about_unit} if task.name == "rate" else {"rerating": rating}
        try:
            complete_task(city, SYSTEM, task.id, form)
        except BadInput as wrong:
            fault = wrong
    return show_filing(request, city, asker, filing_by_code(city, code), code=code, fault=fault, at_task=tasks[0].id if tasks else None)


def _limit(request: Request, city: City) -> None:
    """Count one try of somebody with a code; raises `Busy` when their address has had its share."""
    wait = city.part(Buckets, Buckets).take(f"affairs:{address_of(request, city)}", CODES_PER_MINUTE, time.monotonic())
    if wait > 0:
        raise Busy(
            "affairs.rate", Text(zh="从这个地址来得太快", en="Too many come from this address"),
            Text(zh=f"{math.ceil(wait)} 秒后再试", en=f"Try again in {math.ceil(wait)} s"), facts={"retry_after": math.ceil(wait)},
        )  # fmt: skip
