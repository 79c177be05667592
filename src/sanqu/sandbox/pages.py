"""Rooms as people work with them: the list, the editor with its answers, results, and the page on which a steward decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, SanquError
from sanqu.ground.http import InCity, Paging, SignedIn, base_of
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.sandbox.api import MEDIA, Format, body_as
from sanqu.sandbox.approval import agreed, approve, look_at, refuse, waiting_for
from sanqu.sandbox.bodies import Body
from sanqu.sandbox.private import Private, ask_privately, price_in_room
from sanqu.sandbox.records import Result
from sanqu.sandbox.results import (
    ask_in_room,
    body_on_record,
    explain_in_room,
    mark_seen,
    news_for,
    result_for,
    results_of,
    take_out,
)
from sanqu.sandbox.rooms import (
    NewRoom,
    add_member,
    close_room,
    drop_member,
    is_member,
    keeps,
    make_room,
    members,
    room_for,
    room_on_record,
    room_to_work_in,
    rooms_of,
)
from sanqu.sandbox.shelf import shelf_of, words_of
from sanqu.sandbox.training import Training, ask_for_model
from sanqu.sandbox.uploads import LARGEST, add_upload, drop_upload, uploads_of
from sanqu.sharing.limits import limit_rate

router = APIRouter(prefix="/rooms", include_in_schema=False)

SHOWN_ROWS = 200
TABS = ("ask", "results", "data", "people", "notebook")
TextField = Annotated[str, Form()]


@router.get("")
def rooms_page(request: Request, city: InCity, asker: SignedIn) -> HTMLResponse:
    """The rooms one is in or answers for, what was decided about one's results, and what waits for one's word."""
    context: dict[str, Any] = {
        "rooms": rooms_of(city, asker),
        "news": news_for(city, asker),
        "waiting": len(waiting_for(city, asker)),
    }
    return render(request, "sandbox/rooms.html", **context)


@router.post("")
def make(
    city: InCity, asker: SignedIn, title: TextField, unit: TextField, purposes: TextField, least: Annotated[int, Form()] = 5,
    budget: TextField = "3", epsilon: TextField = "0.1",
) -> Response:  # fmt: skip
    """Make a room."""
    said = {
        "title": title.strip(), "unit": unit.strip(), "least": least, "budget": budget, "epsilon": epsilon,
        "purposes": [one.strip() for one in purposes.replace("，", ",").split(",") if one.strip()],
    }  # fmt: skip
    room = make_room(city, asker, fitting(NewRoom, said))
    return RedirectResponse(f"/rooms/{room.id}?tab=people", 303)


Said = TypeVar("Said", bound=BaseModel)


def fitting(kind: type[Said], said: dict[str, Any]) -> Said:
    """What a form says, checked; raises `BadInput` naming the field that does not fit."""
    try:
        return kind.model_validate(said)
    except ValidationError as fault:
        raise _unfit(".".join(str(part) for part in fault.errors()[0]["loc"])) from fault


def _unfit(place: str) -> BadInput:
    return BadInput(
        "sandbox.form",
        Text(zh=f"{place} 填得不合规", en=f"{place} does not fit"),
        Text(zh="按框里的示例改正", en="Mend it as the example in its field shows"),
        place[:100],
    )


@router.get("/waiting")
def waiting_page(request: Request, city: InCity, asker: SignedIn) -> HTMLResponse:
    """What waits for one's word."""
    return render(request, "sandbox/waiting.html", results=waiting_for(city, asker))


@router.get("/results/{id_}")
def result_page(request: Request, city: InCity, asker: SignedIn, id_: UUID) -> HTMLResponse:
    """A result: what was asked, its state and why, what is in it for those who may see, and the steward's decision."""
    result, mine = result_for(city, asker, id_)
    mark_seen(city, asker, result)
    room = room_on_record(city, result.room)
    inside = keeps(asker, room) or is_member(city, asker, room)
    body, fault = _seen(city, asker, result, mine, inside)
    context: dict[str, Any] = {
        "result": result, "room": room, "inside": inside, "mine": mine, "agreed": agreed(city, result), "fault": fault,
        "deciding": result.state == "waiting" and bool(mine) and asker.user_id != result.person,
        "member": _name_of(city, result.person), **_shown(result, body),
    }  # fmt: skip
    return render(request, "sandbox/result.html", **context)


NAME = "SELECT name FROM person WHERE id = %s"


def _name_of(city: City, person: int) -> str:
    row = city.db.one(NAME, (person,))
    return str(row["name"]) if row else str(person)


def _seen(city: City, asker: Asker, result: Result, mine: list[str], inside: bool) -> tuple[Body | None, SanquError | None]:
    """What this reader may see in a result."""
    if result.out and inside:
        return body_on_record(city, result), None
    if result.state != "waiting" or set(mine) != set(result.datasets) or not mine:
        return None, None
    try:
        return look_at(city, asker, result.id)[1], None
    except SanquError as fault:
        return None, fault


def _shown(result: Result, body: Body | None) -> dict[str, Any]:
    """A result's rows for a page, the first of them; a model as its text."""
    if body is None:
        return {"columns": [], "rows": None, "model": None, "count": 0, "more": False}
    if result.kind == "model":
        return {"columns": [], "rows": None, "model": body.data.decode(), "count": 1, "more": False}
    table = body.table
    rows = table.slice(0, SHOWN_ROWS)
    listed = list(zip(*(column.to_pylist() for column in rows.columns), strict=True)) if table.num_columns else []
    return {"columns": table.column_names, "rows": listed, "model": None, "count": table.num_rows, "more": body.more}


@router.post("/results/{id_}/decide")
def decide(
    city: InCity, asker: SignedIn, id_: UUID, reason: TextField, do: Annotated[Literal["approve", "refuse"], Form()]
) -> Response:
    """Let a result out, or keep it in."""
    (approve if do == "approve" else refuse)(city, asker, id_, reason.strip()[:1000])
    return RedirectResponse(f"/rooms/results/{id_}", 303)


@router.get("/results/{id_}/file.{form}")
def file(city: InCity, asker: SignedIn, id_: UUID, form: Format) -> Response:
    """A result that has left, as a file."""
    result, body = take_out(city, asker, id_)
    headers = {
        "Content-Disposition": f'attachment; filename="result-{result.number}.{form}"',
        "Cache-Control": "private, no-store",
    }
    mark = b"\xef\xbb\xbf" if form == "csv" else b""
    return Response(mark + body_as(result, body, form), media_type=MEDIA[form], headers=headers)


@router.get("/{number}")
def room_page(
    request: Request, city: InCity, asker: SignedIn, number: int, page: Paging, tab: str = "ask", sql: str = ""
) -> HTMLResponse:
    """One room: the editor, its results, its data, its people, and how a notebook uses it."""
    room = room_for(city, asker, number)
    tab = tab if tab in TABS else "ask"
    shelf = shelf_of(city, room) if tab in ("ask", "data") else []
    context: dict[str, Any] = {
        "room": room, "tab": tab, "tabs": TABS, "sql": sql, "shelf": shelf, "words": words_of(shelf), "keeper": keeps(asker, room),
        "member": is_member(city, asker, room), "members": members(city, room), "uploads": uploads_of(city, room), "page": page,
        "results": results_of(city, room, page.limit, page.offset) if tab == "results" else [], "base": base_of(city, request),
    }  # fmt: skip
    return render(request, "sandbox/room.html", **context)


@router.post("/{number}/members")
def let_in(city: InCity, asker: SignedIn, number: int, login: TextField) -> Response:
    """Let a member in."""
    add_member(city, asker, number, login)
    return RedirectResponse(f"/rooms/{number}?tab=people", 303)


@router.post("/{number}/members/{person}/out")
def show_out(city: InCity, asker: SignedIn, number: int, person: int) -> Response:
    """Show a member out."""
    drop_member(city, asker, number, person)
    return RedirectResponse(f"/rooms/{number}?tab=people", 303)


@router.post("/{number}/close")
def close(city: InCity, asker: SignedIn, number: int) -> Response:
    """Close the room."""
    close_room(city, asker, number)
    return RedirectResponse(f"/rooms/{number}", 303)


@router.post("/{number}/uploads")
def bring(city: InCity, asker: SignedIn, number: int, name: TextField, csv: Annotated[UploadFile, File()]) -> Response:
    """Bring a table along."""
    # One byte more than is taken, so that what is too large is said to be so.
    add_upload(city, asker, room_to_work_in(city, asker, number), name, csv.file.read(LARGEST + 1))
    return RedirectResponse(f"/rooms/{number}?tab=data", 303)


@router.post("/{number}/uploads/{name}/gone")
def unbring(city: InCity, asker: SignedIn, number: int, name: str) -> Response:
    """Take an upload out."""
    drop_upload(city, asker, room_to_work_in(city, asker, number), name)
    return RedirectResponse(f"/rooms/{number}?tab=data", 303)


class Editor(BaseModel):
    """The editor's form: the query, how it is asked, and what noise or a model need."""

    model_config = ConfigDict(extra="ignore")

    sql: str = ""
    purpose: str = ""
    mode: Literal["exact", "private", "model"] = "exact"
    epsilon: str = ""
    bounds: str = ""
    rows: str = "1"
    groups: str = ""
    target: str = ""
    model: str = "linear"

    def private(self) -> Private:
        """The question for figures with noise; raises `BadInput`."""
        said: dict[str, Any] = {
            "sql": self.sql, "purpose": self.purpose, "rows": self.rows or "1", "bounds": dict(_lines(self.bounds, _bound)),
            "groups": _lines(self.groups, _group), **({"epsilon": self.epsilon} if self.epsilon.strip() else {}),
        }  # fmt: skip
        return fitting(Private, said)

    def training(self) -> Training:
        """What to train; raises `BadInput`."""
        return fitting(Training, {"sql": self.sql, "purpose": self.purpose, "target": self.target.strip(), "model": self.model})


def _lines(text: str, read: Callable[[str], Any]) -> list[Any]:
    return [read(line.strip()) for line in text.splitlines() if line.strip()]


def _bound(line: str) -> tuple[str, tuple[str, str]]:
    """`income: 0 .. 20000`."""
    name, _, bounds = line.replace("：", ":").partition(":")
    low, dots, high = bounds.partition("..")
    if not dots:
        raise _unfit("bounds")
    return name.strip(), (low.strip(), high.strip())


def _group(line: str) -> tuple[str, ...]:
    """One group: its keys, with commas between."""
    return tuple(part.strip() for part in line.replace("，", ",").split(","))


Wrote = Annotated[Editor, Form()]


@router.post("/{number}/explain")
def explain_part(request: Request, city: InCity, asker: SignedIn, number: int, wrote: Wrote) -> HTMLResponse:
    """What would come of the query, as a part of the page: the door's word, whether a steward looks, what it would cost."""
    limit_rate(request, city, asker)

    def explain() -> dict[str, Any]:
        decision, failed = explain_in_room(city, asker, number, wrote.sql, wrote.purpose)
        cost = price_in_room(city, asker, number, wrote.private()) if wrote.mode == "private" and decision.allowed else None
        return {"decision": decision, "failed": failed, "cost": cost}

    return _answered(request, city, asker, number, wrote, explain)


@router.post("/{number}/run")
def run_part(request: Request, city: InCity, asker: SignedIn, number: int, wrote: Wrote) -> HTMLResponse:
    """The result, passed or waiting, as a part of the page; the gauge comes along."""
    limit_rate(request, city, asker)

    def run() -> dict[str, Any]:
        paid = False
        match wrote.mode:
            case "exact":
                result = ask_in_room(city, asker, number, wrote.sql, wrote.purpose)
            case "private":
                result, paid = ask_privately(city, asker, number, wrote.private())
            case "model":
                result = ask_for_model(city, asker, number, wrote.training())
        return {"result": result, "paid": paid, **_shown(result, body_on_record(city, result) if result.out else None)}

    return _answered(request, city, asker, number, wrote, run)


def _answered(
    request: Request, city: City, asker: Asker, number: int, wrote: Editor, make_it: Callable[[], dict[str, Any]]
) -> HTMLResponse:  # fmt: skip
    context: dict[str, Any] = {
        "decision": None, "failed": None, "cost": None, "result": None, "fault": None, "paid": False, "answer": None,
        "sql": wrote.sql, "purpose": wrote.purpose, "mode": wrote.mode, "inside": True, "columns": [], "rows": None, "model": None,
        "count": 0, "more": False,
    }  # fmt: skip
    try:
        context |= make_it()
    except SanquError as fault:
        context["fault"] = fault
        if "smallest_grants" in fault.facts:
            context["decision"] = explain_in_room(city, asker, number, wrote.sql, wrote.purpose)[0]
            context["fault"] = None
    # The part is put into the page whatever it says: htmx leaves out answers that are errors.
    return render(request, "sandbox/answer.html", room=room_for(city, asker, number), **context)
