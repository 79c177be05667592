"""The page and the interface on which it is decided which dataset is the source of an item."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict

from sanqu.ground.city import City
from sanqu.ground.errors import Refused
from sanqu.ground.http import Admin, InCity, Paging, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.sharing.sources import decide_source, find_rivals, list_rivals, may_decide

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
    return [
        asdict(one) | {"mine": may_decide(city, asker, one)}
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
def decide_page(
    city: InCity, asker: SignedIn, id_: int, source: Annotated[str, Form()], reason: Annotated[str, Form()]
) -> Response:
    """Make one the source."""
    decide_source(city, asker, id_, source, reason)
    return RedirectResponse("/sources", 303)


@api.get("/api/sources", summary="一数一源 · Items that two datasets claim")
def sources(city: InCity, asker: SignedIn, page: Paging, undecided: bool | None = None) -> dict[str, Any]:
    """The pairs found by name and by value overlap, and the decisions taken."""
    return {"rivals": _shown(city, asker, page.limit, page.offset, undecided)}


class Decided(BaseModel):
    """Which of the two datasets is the source, and why."""

    model_config = ConfigDict(extra="forbid")

    source: str
    reason: str


@api.post("/api/sources/{id_}", summary="裁定来源 · Decide the source")
def decide(
    city: InCity, asker: SignedIn, id_: int,
    said: Annotated[Decided, Body(openapi_examples={"one": {"value": {"source": "enterprises", "reason": "登记机关"}}})],
) -> dict[str, Any]:  # fmt: skip
    """Make one of the two datasets the source of the item; by one who answers for both."""
    return asdict(decide_source(city, asker, id_, said.source, said.reason))
