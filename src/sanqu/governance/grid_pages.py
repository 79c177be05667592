"""The page of grid workers, which works without a signal, what it sends, and who was missed."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from sanqu.cases.pages import TOOLS
from sanqu.governance.forms import form_of, new_from
from sanqu.governance.households import (
    HouseholdText,
    VisitText,
    add_special,
    grids_below,
    grids_of,
    household_of,
    missed,
    plan_of,
    record_visit,
    save_household,
)
from sanqu.governance.matters import list_matters
from sanqu.governance.report import Reported, report_event
from sanqu.ground.city import City
from sanqu.ground.http import InCity, Paging, SignedIn, lang_of
from sanqu.ground.i18n import say
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker

router = APIRouter(prefix="/grid", include_in_schema=False)
api = APIRouter(prefix="/api/grid", tags=["网格走访 · Rounds of a grid"])

# What the worker's page says in code.
SAYS = (
    "online", "offline", "waiting_n", "all_sent", "no_due", "missed", "whole_household", "last_visit", "next_visit", "level_1", "level_2",
    "level_3", "change",
    "conflict_visit", "conflict_household", "unsettled", "kept_of", "met", "not_met", "visit", "report_here", "new_household", "add_special",
    "event_sent", "no_room", "drop", "drop_sure", "with_photos",
)  # fmt: skip
# The worker of the browser that answers when there is no signal: the shell of the page and what it is made of, no data of people.
# The newest shell is asked for first; what is sent is the page's own business.
WORKER = """"use strict";
const SHELL = "grid-shell-1";
const FILES = ["/grid", "/static/sanqu.css", "/static/sanqu.js", "/static/grid.js", "/static/governance.js", "/static/icon.svg", "/static/vendor/htmx.min.js"];
self.addEventListener("install", (event) => { event.waitUntil(caches.open(SHELL).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting())); });
self.addEventListener("activate", (event) => { event.waitUntil(self.clients.claim()); });
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin || !FILES.includes(url.pathname)) return;
  event.respondWith(fetch(event.request).then((answer) => {
    // A page that asks to sign in is not the shell.
    if (answer.ok && !answer.redirected) { const copy = answer.clone(); event.waitUntil(caches.open(SHELL).then((cache) => cache.put(url.pathname, copy))); }
    return answer;
  }).catch(() => caches.open(SHELL).then((cache) => cache.match(url.pathname)).then((kept) => kept || Response.error())));
});
"""


class SpecialText(BaseModel):
    """A person to be visited by plan; `id` is made by the sender."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    household: UUID
    name: str = Field(max_length=60)
    kind: str = Field(max_length=60)
    level: Literal[1, 2, 3]


ID = "0190a5b2-7c3e-7d4f-8a1b-2c3d4e5f6a7b"
VISIT = {
    "one": {
        "value": {
            "id": ID,
            "household": ID,
            "on_day": "2026-11-26",
            "met": True,
            "text": "身体好 · well",
            "typed": "2026-11-26T09:00:00+08:00",
        }
    }
}
HOUSEHOLD = {
    "one": {
        "value": {
            "id": ID,
            "household": ID,
            "grid": "330802005001-g1",
            "base": 0,
            "body": {"address": "样例路 1 号", "head": "样例", "people": 2},
        }
    }
}
FORM = {
    "requestBody": {
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["matter", "text"],
                    "properties": {
                        **{name: {"type": "string"} for name in ("client_id", "matter", "text", "urgency", "unit", "address", "lon", "lat")},
                        "photos": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    },
                },
                "example": {"client_id": ID, "matter": "litter", "text": "样例 · sample", "unit": "330802005001-g1"},
            }
        }
    }
}
SPECIAL = {"one": {"value": {"id": ID, "household": ID, "name": "样例", "kind": "独居老人", "level": 1}}}


@router.get("")
def grid_page(request: Request, city: InCity, asker: SignedIn) -> HTMLResponse:
    """The shell of the worker's page; it holds no data of people, those are fetched and kept by its code."""
    lang = lang_of(request)
    words = {name: say(f"governance.{name}", lang, n="{n}") for name in SAYS}
    answer = render(request, "governance/grid.html", grids=grids_of(city, asker), words=words, matters=list_matters(city))
    answer.headers["Cache-Control"] = "no-cache"
    return answer


@router.get("/sw.js")
def service_worker() -> Response:
    """The code that answers for `/grid` when there is no signal."""
    return Response(
        WORKER, media_type="text/javascript", headers={"Service-Worker-Allowed": "/grid", "Cache-Control": "no-cache"}
    )


@router.get("/plan")
def plan_page(
    request: Request,
    city: InCity,
    asker: SignedIn,
    page: Paging,
    grid: str = "",
    level: Annotated[str, Query(pattern="^[123]?$")] = "",
) -> HTMLResponse:
    """Who was to be visited and was not, and why; for workers and those above them."""
    rows = missed(city, asker, grid=grid or None, level=int(level) if level else None)
    shown = rows[page.offset : page.offset + page.limit]
    return render(
        request,
        "governance/plan.html",
        rows=shown,
        total=len(rows),
        page=page,
        grids=grids_below(city, asker),
        grid=grid,
        level=level,
    )


@router.get("/plan.csv")
def plan_file(city: InCity, asker: SignedIn, grid: str = "", level: Annotated[str, Query(pattern="^[123]?$")] = "") -> Response:
    """The same as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["grid", "name", "kind", "level", "visited", "due", "days_late", "tried", "reason"])
    for row in missed(city, asker, grid=grid or None, level=int(level) if level else None):
        writer.writerow(
            [
                row["grid"],
                row["name"],
                row["kind"],
                row["level"],
                row["visited"] or "",
                row["due"],
                row["days"],
                row["tried"] or "",
                _plain(row["reason"]),
            ]
        )
    headers = {"Content-Disposition": 'attachment; filename="missed.csv"', "Cache-Control": "no-store"}
    return Response("\ufeff" + out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _plain(said: str) -> str:
    # What begins so would be computed by a spreadsheet.
    return f"'{said}" if said[:1] in ("=", "+", "-", "@", "\t", "\r") else said


@router.get("/households/{id_}")
def household_page(request: Request, city: InCity, asker: SignedIn, id_: UUID) -> HTMLResponse:
    """A household: what is kept of it, its visits, texts that are to be compared."""
    return render(request, "governance/household.html", one=household_of(city, asker, id_), **TOOLS)


@api.get("/plan", summary="网格的户档与走访计划 · Households of a grid and whom to visit")
def plan(city: InCity, asker: SignedIn, grid: str) -> dict[str, Any]:
    """What a worker takes along; personal data, each look is in the ledger."""
    return plan_of(city, asker, grid)


@api.post("/events", summary="送来一件事件 · An event", status_code=201, openapi_extra=FORM)
async def event(request: Request, city: InCity, asker: SignedIn) -> dict[str, Any]:
    """Report an event as the grid's worker, by a form with photos; sent again under the same `client_id`, it is one event."""
    said, photos = await form_of(request)
    done = await run_in_threadpool(_reported, city, asker, said, photos)
    return {"id": said.get("client_id"), "state": "again" if done.again else "arrived", "number": done.event.number}


def _reported(city: City, asker: Asker, said: dict[str, str], photos: list[bytes]) -> Reported:
    return report_event(city, asker, new_from(city, said), "grid", photos)


@api.post("/visits", summary="送来一次走访 · A visit", status_code=201)
def visit(city: InCity, asker: SignedIn, said: Annotated[VisitText, Body(openapi_examples=VISIT)]) -> dict[str, Any]:
    """Keep a visit, once however often it is sent: `arrived`, `again`, or `beside` when its number came with another text."""
    done = record_visit(city, asker, said)
    return {"id": done.id, "state": done.state}


@api.post("/households", summary="送来一份户档 · A text of a household", status_code=201)
def household(city: InCity, asker: SignedIn, said: Annotated[HouseholdText, Body(openapi_examples=HOUSEHOLD)]) -> dict[str, Any]:
    """Keep a text of a household; `beside` when somebody changed it first: both are kept."""
    done = save_household(city, asker, said)
    return {"id": done.id, "state": done.state}


@api.post("/special", summary="列入重点关爱 · Visit a person by plan", status_code=201)
def special(city: InCity, asker: SignedIn, said: Annotated[SpecialText, Body(openapi_examples=SPECIAL)]) -> dict[str, Any]:
    """Visit a person by plan from now on; the same id twice is one person."""
    add_special(city, asker, said.id, said.household, said.name, said.kind, said.level)
    return {"id": said.id, "state": "arrived"}
