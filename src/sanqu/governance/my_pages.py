"""The phone pages of residents, villagers and enterprises (邻礼通·村情通·政企通): report, follow, rate, notices, votes."""

from __future__ import annotations

import math
import time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sanqu.cases.pages import TOOLS, units_named
from sanqu.cases.work import complete_task, withdraw_case
from sanqu.governance.events import Course, Wanted, course_of, event_by_code, find_event, list_events, mine
from sanqu.governance.forms import form_of, new_from
from sanqu.governance.matters import list_matters
from sanqu.governance.photos import photos_of
from sanqu.governance.records import NOBODY, Event
from sanqu.governance.report import report_event
from sanqu.governance.villages import (
    MEMBER_KINDS,
    MemberKind,
    ballots_of,
    cast,
    confirm,
    find_vote,
    follow,
    has_voted,
    leave,
    may_run,
    may_vote,
    memberships,
    notices_in,
    open_vote,
    publish_notice,
    turnout,
    unconfirmed,
    votes_in,
)
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, Busy, Conflict, NotFound, not_found
from sanqu.ground.http import Asking, InCity, InPerson, Paging, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.units import unit
from sanqu.sharing.limits import Buckets, address_of

router = APIRouter(prefix="/my", include_in_schema=False)

TextField = Annotated[str, Form()]
# From one address without an account; many share one, and a storm brings many reports.
REPORTS_PER_MINUTE, CODES_PER_MINUTE = 6, 10


def limit_public(request: Request, city: City, what: str, per_minute: int) -> None:
    """Count one act of somebody without an account; raises `Busy` when their address has had its share."""
    wait = city.part(Buckets, Buckets).take(f"{what}:{address_of(request, city)}", per_minute, time.monotonic())
    if wait > 0:
        seconds = math.ceil(wait)
        raise Busy(
            "governance.rate",
            Text(zh="从这个地址来得太快", en="Too many come from this address"),
            Text(zh=f"{seconds} 秒后再试，或登录后再报", en=f"Try again in {seconds} s, or sign in"),
            facts={"retry_after": seconds},
        )


@router.get("")
def my_home(request: Request, city: InCity, asker: Asking, page: Paging) -> HTMLResponse:
    """What one can do here, what one reported, the notices and votes of one's places."""
    places = memberships(city, asker) if asker.signed_in else []
    codes = [str(place["unit"]) for place in places]
    notices, total = notices_in(city, codes, 10, page.offset)
    events = list_events(city, asker, Wanted(reporter=mine(asker)), limit=3)[0] if asker.signed_in else []
    runs = [place for code in sorted(asker.units) if (place := unit(city, code)).kind in ("village", "town")]
    context: dict[str, Any] = {
        "places": places, "notices": notices, "total": total, "page": page, "votes": votes_in(city, codes), "events": events,
        "kinds": MEMBER_KINDS, "at": now(), "runs": runs,
    }  # fmt: skip
    return render(request, "governance/my.html", **context, **TOOLS)


@router.post("/places")
def add_place(city: InCity, asker: SignedIn, code: TextField, kind: Annotated[MemberKind, Form()] = "resident") -> Response:
    """Follow a village, community or park."""
    follow(city, asker, code, kind)
    return RedirectResponse("/my", 303)


@router.post("/places/{code}/leave")
def drop_place(city: InCity, asker: SignedIn, code: str) -> Response:
    """Follow it no more."""
    leave(city, asker, code)
    return RedirectResponse("/my", 303)


@router.get("/report")
def report_page(request: Request, city: InCity, matter: str = "") -> HTMLResponse:
    """Report something, or ask for help."""
    return _report_page(request, city, said={"matter": matter})


def _report_page(request: Request, city: City, said: dict[str, str], fault: BadInput | None = None) -> HTMLResponse:
    matters = [one for one in list_matters(city) if one.public]
    return render(request, "governance/report.html", fault.status if fault else 200, matters=matters, said=said, fault=fault)


@router.post("/report")
async def report(request: Request, city: InCity, asker: Asking) -> Response:
    """Report it; without an account, a follow-up code is shown once."""
    if not asker.signed_in:
        limit_public(request, city, "report", REPORTS_PER_MINUTE)
    said, photos = await form_of(request)
    try:
        _check_public(city, said)
        reported = report_event(city, asker, new_from(city, said), "resident", photos)
    except BadInput as fault:
        return _report_page(request, city, said, fault)
    if asker.signed_in:
        return RedirectResponse(f"/my/events/{reported.event.number}", 303)
    return render(request, "governance/thanks.html", event=reported.event, code=reported.code)


def _check_public(city: City, said: dict[str, str]) -> None:
    if said.get("matter") not in {one.code for one in list_matters(city) if one.public}:
        raise BadInput(
            "governance.matter-choice",
            Text(zh="没有这个事项", en="There is no such matter"),
            Text(zh="从列表中选一个", en="Choose one of the list"),
            said.get("matter", "")[:40],
        )


@router.get("/events")
def my_events(request: Request, city: InCity, asker: Asking, page: Paging) -> HTMLResponse:
    """What I reported; for others, a place to type a follow-up code."""
    found, total = (
        list_events(city, asker, Wanted(reporter=mine(asker)), limit=page.limit, offset=page.offset)
        if asker.signed_in
        else ([], 0)
    )
    matters = {one.code: one.title for one in list_matters(city, retired=True)}
    return render(
        request, "governance/my_events.html", events=found, total=total, page=page, matters=matters, at=now(), wrong="", **TOOLS
    )


@router.get("/events/{number}")
def my_event(request: Request, city: InCity, asker: SignedIn, number: str) -> HTMLResponse:
    """One that I reported: where it stands, what was done, my rating."""
    return _event_page(request, city, _own(city, asker, number))


def _own(city: City, asker: Asker, number: str) -> Event:
    event = find_event(city, asker, number)
    if event.reporter != mine(asker):
        raise not_found(Text(zh="您报告的事件", en="event that you reported"), number)
    return event


def _event_page(request: Request, city: City, event: Event, code: str = "") -> HTMLResponse:
    course = course_of(city, event)
    # Who follows another's event is told how that one goes.
    shown = course_of(city, find_event(city, SYSTEM, event.merged_into)) if event.merged_into else course
    context: dict[str, Any] = {
        "event": event, "shown": shown.event, "rating": _rating_task(course) is not None, "code": code, "at": now(),
        "photos": photos_of(city, event) if event.reporter != NOBODY else [], "units": units_named(city, {shown.event.lead}),
        "matter": next(one for one in list_matters(city, retired=True) if one.code == event.matter),
        "may_withdraw": event.is_open and not code,
    }  # fmt: skip
    return render(request, "governance/my_event.html", **context, **TOOLS)


def _rating_task(course: Course) -> UUID | None:
    return next((task.id for task in course.tasks if task.name == "rate" and task.state == "ready"), None)


@router.post("/code")
def by_code(request: Request, city: InCity, asker: Asking, code: TextField = "") -> Response:
    """Follow an event by the code that its reporter was given."""
    limit_public(request, city, "code", CODES_PER_MINUTE)
    try:
        event = event_by_code(city, code)
    except NotFound as fault:
        context: dict[str, Any] = {"events": [], "total": 0, "matters": {}, "at": now(), "wrong": fault.what, "page": None}
        return render(request, "governance/my_events.html", 404, **context, **TOOLS)
    return _event_page(request, city, event, code)


@router.post("/rate")
def rate(
    request: Request,
    city: InCity,
    asker: Asking,
    number: TextField,
    rating: TextField = "",
    note: TextField = "",
    code: TextField = "",
) -> Response:
    """Rate how an event was handled; by the code, where it was reported without an account."""
    if code:
        limit_public(request, city, "code", CODES_PER_MINUTE)
    event = event_by_code(city, code) if code else _own(city, asker, number)
    task = _rating_task(course_of(city, event))
    if task is None:
        raise Conflict(
            "governance.no-rating",
            Text(zh="现在不能评价", en="It cannot be rated now"),
            Text(zh="办结后评价一次", en="It is rated once, when it is closed"),
            event.number,
        )
    if rating not in ("1", "2", "3", "4", "5"):
        raise BadInput(
            "governance.rating", Text(zh="没有选满意度", en="No rating was chosen"), Text(zh="选一项", en="Choose one")
        )
    # What a code's holder does is done by the city in their name: nobody knows the holder's.
    complete_task(city, SYSTEM if code else asker, task, {"rating": rating, "rating_note": note})
    return (
        _event_page(request, city, event_by_code(city, code), code)
        if code
        else RedirectResponse(f"/my/events/{event.number}", 303)
    )


@router.post("/events/{number}/withdraw")
def withdraw(city: InCity, asker: SignedIn, number: str, reason: TextField = "") -> Response:
    """Take a report back."""
    withdraw_case(city, asker, _own(city, asker, number).number, reason)
    return RedirectResponse(f"/my/events/{number}", 303)


@router.get("/votes/{vote}")
def vote_page(request: Request, city: InCity, asker: Asking, vote: int) -> HTMLResponse:
    """A vote: the choices while it is open, the result once it is over."""
    return _vote_page(request, city, asker, vote)


def _vote_page(request: Request, city: City, asker: Asker, number: int, receipt: UUID | None = None) -> HTMLResponse:
    vote = find_vote(city, number)
    voted, of = turnout(city, vote)
    context: dict[str, Any] = {
        "vote": vote, "of": unit(city, vote.unit), "voted": voted, "electorate": of, "receipt": receipt, "mine": has_voted(city, asker, vote),
        "may": may_vote(city, asker, vote), "over": vote.closed is not None, "ballots": ballots_of(city, vote),
    }  # fmt: skip
    return render(request, "governance/vote.html", **context, **TOOLS)


@router.post("/votes/{vote}")
def cast_vote(request: Request, city: InCity, asker: InPerson, vote: int, choice: Annotated[int, Form()] = -1) -> Response:
    """Vote; the receipt is shown once."""
    return _vote_page(request, city, asker, vote, cast(city, asker, vote, choice))


@router.get("/manage/{code}")
def manage_page(request: Request, city: InCity, asker: SignedIn, code: str) -> HTMLResponse:
    """For those who speak for a village: its notices, votes, and who is to be confirmed."""
    of = unit(city, code)
    if not may_run(asker, of):
        raise not_found(Text(zh="您管理的村社", en="village that you run"), code)
    notices, _ = notices_in(city, [of.code])
    return render(
        request,
        "governance/manage.html",
        of=of,
        members=unconfirmed(city, of),
        notices=notices,
        votes=votes_in(city, [of.code]),
        at=now(),
        **TOOLS,
    )


@router.post("/manage/{code}/notices")
def add_notice(city: InCity, asker: SignedIn, code: str, title: TextField = "", text: TextField = "") -> Response:
    """Publish a notice."""
    publish_notice(city, asker, code, title, text)
    return RedirectResponse(f"/my/manage/{code}", 303)


@router.post("/manage/{code}/votes")
def add_vote(
    city: InCity, asker: InPerson, code: str, title: TextField = "", choices: TextField = "", text: TextField = "",
    days: Annotated[int, Form()] = 7, secret: Annotated[bool, Form()] = False,
) -> Response:  # fmt: skip
    """Open a vote."""
    vote = open_vote(city, asker, code, title, choices.splitlines(), secret=secret, days=days, text=text)
    return RedirectResponse(f"/my/votes/{vote.id}", 303)


@router.post("/manage/{code}/members/{person}")
def confirm_member(city: InCity, asker: InPerson, code: str, person: int) -> Response:
    """Say that a person belongs here."""
    confirm(city, asker, code, person)
    return RedirectResponse(f"/my/manage/{code}", 303)
