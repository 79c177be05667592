"""The administrators' page of partner cities (跨省通办): whose key is pinned, what they offer, which letters wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sanqu.affairs.catalogue import catalogue_of
from sanqu.affairs.letters import send_letters
from sanqu.affairs.partners import New, fetch_offers, keep_partner, letters_sent, ourselves, partners, switch_partner
from sanqu.cases.pages import TOOLS
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput
from sanqu.ground.http import Admin, InCity, Page, Paging
from sanqu.ground.i18n import Text
from sanqu.ground.ledger.checkpoint import SUITES
from sanqu.ground.pages import render

router = APIRouter(prefix="/affairs/partners", include_in_schema=False)

TextField = Annotated[str, Form()]
LETTER_STATES = ("waiting", "taken", "refused")


@router.get("")
def partners_page(request: Request, city: InCity, _asker: Admin, page: Paging, state: str = "") -> HTMLResponse:
    """The partners, this city's own key, and the letters sent."""
    return _shown(request, city, page, state if state in LETTER_STATES else "")


def _shown(
    request: Request, city: City, page: Page, state: str = "", said: Mapping[str, str] | None = None, fault: BadInput | None = None,
) -> HTMLResponse:  # fmt: skip
    found, total = partners(city, limit=page.limit, offset=page.offset)
    letters, letters_total = letters_sent(city, state, limit=page.limit, offset=page.offset)
    offer = catalogue_of(city)
    context: dict[str, Any] = {
        "partners": found, "total": total, "page": page, "own": ourselves(city), "letters": letters, "letters_total": letters_total, "state": state,
        "cities": offer.cities, "suites": list(SUITES), "said": said or {}, "fault": fault,
        "offered": [one for one in offer.matters.values() if one.cross and one.code not in offer.retired],
    }  # fmt: skip
    return render(request, "affairs/partners.html", fault.status if fault else 200, **context, **TOOLS)


@router.post("")
def keep(
    request: Request, city: InCity, asker: Admin, code: TextField, zh: TextField, address: TextField, key: TextField, en: TextField = "",
    suite: TextField = "ed25519-sha256",
) -> Response:  # fmt: skip
    """Keep a partner with its key pinned."""
    said = {"code": code, "zh": zh, "en": en, "address": address, "key": key, "suite": suite}
    try:
        keep_partner(city, asker, New(code.strip(), Text(zh=zh.strip(), en=en.strip()), address, key, suite))
    except BadInput as fault:
        return _shown(request, city, Page(), said=said, fault=fault)
    return RedirectResponse("/affairs/partners", 303)


@router.post("/send")
def send(city: InCity, _asker: Admin) -> Response:
    """Send what is due now."""
    send_letters(city)
    return RedirectResponse("/affairs/partners", 303)


@router.post("/{code}/fetch")
def fetch(city: InCity, _asker: Admin, code: str) -> Response:
    """Fetch what a partner offers now."""
    fetch_offers(city, code)
    return RedirectResponse("/affairs/partners", 303)


@router.post("/{code}/switch")
def switch(city: InCity, asker: Admin, code: str, active: TextField) -> Response:
    """Stop or resume working with a partner."""
    switch_partner(city, asker, code, active == "true")
    return RedirectResponse("/affairs/partners", 303)
