"""The page and the interface on which it is decided which dataset is the source of an item."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sanqu.cases.api import case_facts
from sanqu.ground.city import City
from sanqu.ground.errors import Refused
from sanqu.ground.http import Admin, InCity, Paging, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.sharing.source_cases import hearings, open_hearing
from sanqu.sharing.sources import find_rivals, list_rivals, may_ask

pages = APIRouter(include_in_schema=False)
api = APIRouter(tags=["规则 · Law"])


def _check_staff(asker: Asker) -> None:
    if not asker.is_staff:
        raise Refused(
            "sharing.staff-only",
            Text(zh="这一页给工作人员", en="This is for staff"),
            Text(zh="用工作人员账号登录", en="Sign in as staff"),
        )


def _shown(city: City, asker: Asker, limit: int, offset: int, undecided: bool | None = None) -> list[dict[str, Any]]:
    _check_staff(asker)
    heard = hearings(city)
    return [
        asdict(one) | {"mine": may_ask(city, asker, one), "case": heard.get(one.id)}
        for one in list_rivals(city, undecided=undecided, limit=limit, offset=offset)
    ]


@pages.get("/sources")
def sources_page(request: Request, city: InCity, asker: SignedIn, page: Paging) -> HTMLResponse:
    """Items that two datasets claim, those to be decided first."""
    return render(request, "sharing/sources.html", rivals=_shown(city, asker, page.limit, page.offset), page=page)


@pages.post("/sources/look")
def look_now(city: InCity, _asker: Admin) -> Response:
    """Compare the datasets now."""
    find_rivals(city)
    return RedirectResponse("/sources", 303)


@pages.post("/sources/{id_}")
def hear(city: InCity, asker: SignedIn, id_: int) -> Response:
    """Open the case in which both are heard."""
    return RedirectResponse(f"/cases/{open_hearing(city, asker, id_).number}", 303)


@api.get("/api/sources", summary="一数一源 · Items that two datasets claim")
def sources(city: InCity, asker: SignedIn, page: Paging, undecided: bool | None = None) -> dict[str, Any]:
    """The pairs found by name and by value overlap, and the decisions taken."""
    return {"rivals": _shown(city, asker, page.limit, page.offset, undecided)}


@api.post("/api/sources/{id_}", status_code=201, summary="提出裁定 · Have a source decided")
def begin(city: InCity, asker: SignedIn, id_: int) -> dict[str, Any]:
    """Open the case: both stewards are heard, the unit above both decides. Follow `/api/cases/{number}`."""
    return case_facts(open_hearing(city, asker, id_))
