"""Rooms over HTTP: what a notebook and a steward's program use; a question gives a result's state, and only what is out is read."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Given

from sanqu.ground.errors import BadInput
from sanqu.ground.http import InCity, Paging, SignedIn
from sanqu.ground.i18n import Text
from sanqu.sandbox.approval import approve, look_at, refuse, waiting_for
from sanqu.sandbox.bodies import Body as Kept
from sanqu.sandbox.bodies import as_csv
from sanqu.sandbox.private import Private, ask_privately, price_in_room
from sanqu.sandbox.records import Result, Room, plainly
from sanqu.sandbox.results import ask_in_room, explain_in_room, mark_seen, news_for, result_for, results_of, take_out
from sanqu.sandbox.rooms import (
    NewRoom,
    add_member,
    close_room,
    drop_member,
    make_room,
    members,
    room_for,
    room_to_work_in,
    rooms_of,
)
from sanqu.sandbox.shelf import shelf_of
from sanqu.sandbox.training import Training, ask_for_model
from sanqu.sandbox.uploads import add_upload, drop_upload, uploads_of
from sanqu.sharing.limits import limit_rate

router = APIRouter(tags=["沙箱 · Sandbox"], prefix="/api/rooms")

Format = Literal["json", "csv", "arrow"]
Form = Annotated[Format, Query(alias="format", description="格式 · the form wanted")]
MEDIA = {"json": "application/json", "csv": "text/csv; charset=utf-8", "arrow": "application/vnd.apache.arrow.stream"}
ROOM_EXAMPLE = {"title": "居民收入研究", "unit": "3308-dsj", "purposes": ["research"], "least": 5, "budget": 3, "epsilon": 0.1}
ASK_EXAMPLE = {"sql": "SELECT town, count(*) AS n FROM residents GROUP BY town", "purpose": "research"}
PRIVATE_EXAMPLE = {
    "sql": "SELECT town, avg(income) AS mean FROM residents GROUP BY town", "purpose": "research", "epsilon": 0.1,
    "bounds": {"income": [0, 20000]}, "rows": 1, "groups": [["330802001"], ["330802002"]],
}  # fmt: skip
TRAIN_EXAMPLE = {"sql": "SELECT age, income FROM residents", "target": "income", "model": "linear", "purpose": "research"}


class Asked(BaseModel):
    """A query in a room, and which of the room's purposes it is for."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Given(max_length=100_000, description="一条 SELECT（DuckDB 方言） · one SELECT in DuckDB's dialect")
    purpose: str = Given(default="", max_length=200, description="房间的用途之一 · one of the room's purposes")


class Member(BaseModel):
    """Who comes in."""

    model_config = ConfigDict(extra="forbid")

    login: str = Given(max_length=100, description="登录名 · the login")


class Brought(BaseModel):
    """A table one brings along."""

    model_config = ConfigDict(extra="forbid")

    name: str = Given(max_length=60, description="名称；查询里写 my_名称 · its name; in queries my_NAME")
    csv: str = Given(max_length=20 * 1024 * 1024, description="带表头的 CSV · CSV with a header line")


class Word(BaseModel):
    """Why a steward decides so."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Given(min_length=1, max_length=1000, description="理由 · the reason")


def room_facts(room: Room) -> dict[str, Any]:
    """A room as JSON."""
    return {
        "id": room.id, "title": room.title, "unit": room.unit, "purposes": list(room.purposes), "state": room.state,
        "least": room.least, "dominance": [rule.model_dump() for rule in room.dominance], "created": room.created,
        "budget": {
            "given": plainly(room.budget), "left": plainly(room.budget_left), "epsilon": plainly(room.epsilon),
            "queries_left": room.queries_left,
        },
    }  # fmt: skip


def result_facts(result: Result, *, steward: bool = False) -> dict[str, Any]:
    """A result as JSON. Until it is out, only those who answer for the data are told how many rows it has."""
    said: dict[str, Any] = {
        "id": str(result.id), "number": result.number, "room": result.room, "kind": result.kind, "state": result.state,
        "cause": dict(result.cause), "purpose": result.purpose, "asked": dict(result.asked), "datasets": list(result.datasets),
        "created": result.created, "decided": result.decided,
        "epsilon": plainly(result.epsilon) if result.epsilon is not None else None,
    }  # fmt: skip
    if result.out or steward:
        said |= {"rows": result.rows, "more": result.more, "digest": result.digest}
    if result.out:
        said["get"] = f"/api/rooms/results/{result.id}/rows"
    return said


def body_as(result: Result, body: Kept, format_: Format) -> bytes:
    """What a result holds in the form that is wanted; a model is JSON. Raises `BadInput` for a model in another form."""
    if result.kind == "model":
        if format_ != "json":
            raise BadInput(
                "sandbox.format",
                Text(zh="模型只有 JSON 格式", en="A model is JSON only"),
                Text(zh="用 format=json", en="Use format=json"),
                format_,
            )
        return body.data
    if format_ == "arrow":
        return body.data
    if format_ == "csv":
        return as_csv(body.table)
    columns = [{"name": field.name, "type": str(field.type)} for field in body.table.schema]
    return orjson.dumps({"columns": columns, "rows": body.table.to_pylist(), "more": body.more}, default=str)


@router.get("", summary="我的房间 · My rooms")
def my_rooms(city: InCity, asker: SignedIn) -> dict[str, Any]:
    """The rooms one is a member of or answers for, and what was decided about one's results since one looked."""
    return {
        "rooms": [room_facts(one) for one in rooms_of(city, asker)],
        "news": [result_facts(one) for one in news_for(city, asker)],
    }


@router.post("", status_code=201, summary="开房间 · Make a room")
def new_room(
    city: InCity, asker: SignedIn, said: Annotated[NewRoom, Body(openapi_examples={"one": {"value": ROOM_EXAMPLE}})]
) -> dict[str, Any]:
    """Make a room; by the steward of its unit, or of one above. Datasets come in by grants to `room:<id>`."""
    return room_facts(make_room(city, asker, said))


@router.get("/waiting", summary="等我批准的结果 · Results that wait for me")
def waiting(city: InCity, asker: SignedIn) -> dict[str, Any]:
    """What waits for the word of those who answer for the data, the oldest first."""
    return {"results": [result_facts(one, steward=True) for one in waiting_for(city, asker)]}


@router.get("/results/{id_}", summary="结果的状态 · The state of a result")
def one_result(city: InCity, asker: SignedIn, id_: UUID) -> dict[str, Any]:
    """Passed, waiting, approved or refused, and why; for the room's people and for those who answer for the data."""
    result, mine = result_for(city, asker, id_)
    mark_seen(city, asker, result)
    return result_facts(result, steward=set(mine) == set(result.datasets) and bool(mine))


@router.get("/results/{id_}/rows", summary="取走结果 · Take a result out", response_class=Response)
def rows_of_result(city: InCity, asker: SignedIn, id_: UUID, form: Form = "json") -> Response:
    """The rows of a result that has left the room, as JSON, CSV or an Arrow stream; 403 with its state until then."""
    result, body = take_out(city, asker, id_)
    return _body(result, body, form)


@router.get("/results/{id_}/look", summary="批准前看结果 · Look at a result that waits", response_class=Response)
def look(city: InCity, asker: SignedIn, id_: UUID, form: Form = "json") -> Response:
    """What would leave, for those who answer for all of the data in it; worked out now where it was not before."""
    result, body = look_at(city, asker, id_)
    return _body(result, body, form)


def _body(result: Result, body: Kept, format_: Format) -> Response:
    headers = {"X-Sanqu-Digest": result.digest or "", "Cache-Control": "private, no-store"}
    return Response(body_as(result, body, format_), media_type=MEDIA[format_], headers=headers)


WORD = Body(openapi_examples={"one": {"value": {"reason": "汇总，不涉及个人"}}})


@router.post("/results/{id_}/approve", summary="批准 · Let a result out")
def let_out(city: InCity, asker: SignedIn, id_: UUID, said: Annotated[Word, WORD]) -> dict[str, Any]:
    """Agree for the datasets one answers for; the result leaves when all have agreed."""
    return result_facts(approve(city, asker, id_, said.reason))


@router.post("/results/{id_}/refuse", summary="不批准 · Keep a result in")
def keep_in(city: InCity, asker: SignedIn, id_: UUID, said: Annotated[Word, WORD]) -> dict[str, Any]:
    """Refuse that the result leaves; it is not kept."""
    return result_facts(refuse(city, asker, id_, said.reason))


@router.get("/{room}", summary="一个房间 · One room")
def one_room(city: InCity, asker: SignedIn, room: int) -> dict[str, Any]:
    """Its rules and budget, its members, what its queries may name; for its people."""
    found = room_for(city, asker, room)
    return room_facts(found) | {
        "members": members(city, found),
        "tables": [
            {
                "name": one.name, "title": one.title.model_dump(), "ground": one.ground, "clause": one.clause, "purpose": one.purpose,
                "items": [{"name": i.name, "type": i.type, "uses": list(i.uses), "masks": list(i.masks)} for i in one.items],
            }
            for one in shelf_of(city, found)
        ],
        "uploads": [{"name": f"my_{one.name}", "rows": one.rows, "columns": dict(one.columns)} for one in uploads_of(city, found)],
    }  # fmt: skip


@router.post("/{room}/close", summary="关房间 · Close a room")
def close(city: InCity, asker: SignedIn, room: int) -> dict[str, Any]:
    """Nothing more is computed in it; what has left stays."""
    close_room(city, asker, room)
    return room_facts(room_for(city, asker, room))


@router.post("/{room}/members", summary="加成员 · Let a member in")
def let_in(
    city: InCity,
    asker: SignedIn,
    room: int,
    said: Annotated[Member, Body(openapi_examples={"one": {"value": {"login": "wang"}}})],
) -> dict[str, Any]:
    """By the steward of the room's unit."""
    add_member(city, asker, room, said.login)
    return one_room(city, asker, room)


@router.delete("/{room}/members/{person}", status_code=204, summary="去成员 · Show a member out")
def show_out(city: InCity, asker: SignedIn, room: int, person: int) -> Response:
    """By the steward of the room's unit."""
    drop_member(city, asker, room, person)
    return Response(status_code=204)


@router.post("/{room}/uploads", status_code=201, summary="带入数据 · Bring data along")
def bring(
    city: InCity, asker: SignedIn, room: int,
    said: Annotated[Brought, Body(openapi_examples={"one": {"value": {"name": "list", "csv": "id,group\nA1,x\n"}}})],
) -> dict[str, Any]:  # fmt: skip
    """Keep a CSV as `my_<name>`, which only queries of this room can name."""
    made = add_upload(city, asker, room_to_work_in(city, asker, room), said.name, said.csv.encode())
    return {"name": f"my_{made.name}", "rows": made.rows, "columns": dict(made.columns)}


@router.delete("/{room}/uploads/{upload}", status_code=204, summary="删带入的数据 · Take an upload out")
def unbring(city: InCity, asker: SignedIn, room: int, upload: str) -> Response:
    """The table is gone; results made with it stay."""
    drop_upload(city, asker, room_to_work_in(city, asker, room), upload)
    return Response(status_code=204)


ASKED = Body(openapi_examples={"one": {"value": ASK_EXAMPLE}})


@router.post("/{room}/explain", summary="运行前的说明 · What would come of a query")
def explain(request: Request, city: InCity, asker: SignedIn, room: int, said: Annotated[Asked, ASKED]) -> dict[str, Any]:
    """Allowed or not and by which clause; whether a steward will have to look (`waits`). Nothing runs."""
    limit_rate(request, city, asker)
    decision, failed = explain_in_room(city, asker, room, said.sql, said.purpose)
    return decision.as_facts() | {"waits": {"rule": failed.rule, "thing": failed.thing} if failed else None}


@router.post("/{room}/ask", summary="在房间里提问 · Ask in a room")
def ask(request: Request, city: InCity, asker: SignedIn, room: int, said: Annotated[Asked, ASKED]) -> dict[str, Any]:
    """The state of the result: passed by the automatic rules, or waiting for the stewards; rows come from `get`."""
    limit_rate(request, city, asker)
    return result_facts(ask_in_room(city, asker, room, said.sql, said.purpose))


PRIVATE = Body(openapi_examples={"one": {"value": PRIVATE_EXAMPLE}})


@router.post("/{room}/private", summary="有噪声的答案 · Ask for figures with noise")
def ask_with_noise(
    request: Request, city: InCity, asker: SignedIn, room: int, said: Annotated[Private, PRIVATE]
) -> dict[str, Any]:
    """Differentially private figures, paid for from the room's budget; asked again they are the same and cost nothing."""
    limit_rate(request, city, asker)
    result, paid = ask_privately(city, asker, room, said)
    return result_facts(result) | {"paid": paid, "budget": room_facts(room_for(city, asker, room))["budget"]}


@router.post("/{room}/private/price", summary="要花多少 · What figures with noise would cost")
def price(request: Request, city: InCity, asker: SignedIn, room: int, said: Annotated[Private, PRIVATE]) -> dict[str, Any]:
    """The epsilon, what would be left, and how exact each figure would be (95 %); nothing is read or spent."""
    limit_rate(request, city, asker)
    cost = price_in_room(city, asker, room, said)
    return {"epsilon": plainly(cost.epsilon), "left": plainly(cost.left), "within": dict(cost.within)}


@router.post("/{room}/train", summary="训练模型 · Ask for a model")
def train_model(
    request: Request, city: InCity, asker: SignedIn, room: int,
    said: Annotated[Training, Body(openapi_examples={"one": {"value": TRAIN_EXAMPLE}})],
) -> dict[str, Any]:  # fmt: skip
    """A scikit-learn model whose parameters leave as JSON when the stewards agree."""
    limit_rate(request, city, asker)
    return result_facts(ask_for_model(city, asker, room, said))


@router.get("/{room}/results", summary="房间的结果 · The results of a room")
def results(city: InCity, asker: SignedIn, room: int, page: Paging) -> dict[str, Any]:
    """The newest first."""
    return {"results": [result_facts(one) for one in results_of(city, room_for(city, asker, room), page.limit, page.offset)]}
