"""Watching lines over HTTP: how they stand, now and as it changes; their devices; the lanes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from sanqu.ground.city import City
from sanqu.ground.errors import SanquError
from sanqu.ground.http import Admin, InCity, Language, Paging, SignedIn, lang_of, require_asker
from sanqu.ground.hub import hub_of
from sanqu.ground.i18n import Lang
from sanqu.ground.people.askers import Asker
from sanqu.lines import keeping
from sanqu.lines.export import csv_answer
from sanqu.lines.live.devices import add_device, devices_of, remove_device
from sanqu.lines.live.lanes import Lane, lanes_of, set_lane
from sanqu.lines.live.loss import settle_loss
from sanqu.lines.live.meters import minutes_of
from sanqu.lines.live.standing import standing_of, ways_of
from sanqu.lines.live.watch import narrowed, watch_lines
from sanqu.lines.records import Line

router = APIRouter(tags=["实时专线 · Live lines"])

# What is shown as "rows a second" is the mean of so many seconds.
RATE_SECONDS = 5.0

LaneName = Annotated[str, Query(description="领域专线 · lane", max_length=40)]
State = Annotated[str, Query(description="状态；trouble 为有问题的 · state; trouble for all that have one", max_length=20)]
Words = Annotated[str, Query(description="名称或原因里的文字 · text in names or cause", max_length=200)]


class Stands(BaseModel):
    """A page of lines as they stand, and how many there are in all."""

    count: int
    lines: list[dict[str, Any]]


class OneStands(BaseModel):
    """One live line: how it stands, its last minutes, its last rounds with the moments (ms) of their way."""

    line: dict[str, Any]
    position: dict[str, Any]
    minutes: list[dict[str, Any]]
    ways: list[dict[str, Any]]


class DeviceShown(BaseModel):
    """A device of a line; `secret` is told only when it is made."""

    name: str
    line: str
    actor: str = ""
    created: datetime | None = None
    secret: str | None = None


class DeviceName(BaseModel):
    """How a new device is called."""

    name: str


class LaneSet(BaseModel):
    """A lane: its share of the turns, and how many rows a second it may carry (null: as many as go)."""

    name: str = ""
    weight: int = Field(ge=1, le=100)
    rows_per_second: int | None = Field(default=None, ge=1, le=10_000_000)


def live_of_steward(city: City, name: str, asker: Asker) -> Line:
    """The live line called `name`, for one who answers for its dataset; raises `NotFound`, `Refused`."""
    line = keeping.line_of(city, name)
    keeping.refuse_stranger(city, line.dataset, asker)
    standing_of(city, name)
    return line


@router.get("/api/live", summary="实时专线的状态 · How live lines stand")
def list_live(city: InCity, asker: SignedIn, page: Paging, lane: LaneName = "", state: State = "", q: Words = "") -> Stands:
    """Live lines that the asker answers for: state, cause, backlog, rows a second, latency, promise."""
    found = narrowed(watch_lines(city, asker), lane=lane, state=state, q=q, live=True)
    return Stands(count=len(found), lines=[one.as_json() for one in found[page.offset : page.offset + page.limit]])


@router.get("/api/live.csv", summary="实时专线的状态（CSV）· How live lines stand, as CSV")
def export_live(
    city: InCity, asker: SignedIn, lang: Language, lane: LaneName = "", state: State = "", q: Words = "", batch: bool = False
) -> StreamingResponse:
    """The same list as a file; with `batch`, batch lines too."""
    found = narrowed(watch_lines(city, asker), lane=lane, state=state, q=q, live=None if batch else True)
    head = ["line", "title", "dataset", "lane", "kind", "state", "cause", "todo", "next_try", "rows_per_second", "backlog",
            "p50_ms", "p99_ms", "refused", "carried", "freshness", "alert"]  # fmt: skip

    def rows() -> Iterator[list[Any]]:
        for one in found:
            why = one.trouble
            yield [
                one.line.name, one.line.title.in_(lang), one.line.dataset, one.line.lane, one.line.source.kind, one.state,
                why.what.in_(lang) if why else "", why.todo.in_(lang) if why else "",
                why.next_try.isoformat() if why and why.next_try else "", round(one.per_second, 2), one.backlog, one.p50 or "",
                one.p99 or "", one.refused, one.carried.isoformat() if one.carried else "", one.freshness,
                one.burn.alert if one.burn else "",
            ]  # fmt: skip

    return csv_answer("lines.csv", head, rows)


@router.get("/api/live-events", summary="线路实时状态（SSE）· Lines as they stand, every second")
async def live_events(request: Request, city: InCity, line: Annotated[str, Query(max_length=100)] = "") -> StreamingResponse:
    """Server-sent events `lines`, every second: the lines that the asker answers for, or one of them with its last rounds."""
    asker = await asyncio.to_thread(require_asker, request)
    if line:
        await asyncio.to_thread(live_of_steward, city, line, asker)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_telling(city, asker, line, lang_of(request)), media_type="text/event-stream", headers=headers)


async def _telling(city: City, asker: Asker, name: str, lang: Lang) -> AsyncIterator[bytes]:
    rates = _Rates()
    async with hub_of(city).listen(f"lines.live.{name}", lambda message: not name or message.get("line") == name) as listening:
        while True:
            try:
                found = await asyncio.to_thread(watch_lines, city, asker, name or None)
                ways = await asyncio.to_thread(ways_of, city, name) if name else []
            except SanquError as fault:
                yield b"event: refused\ndata: " + orjson.dumps(fault.problem(lang)) + b"\n\n"
                return
            told = [one.as_json(lang) | ({"per_second": rates.of(one.line.name)} if one.line.live else {}) for one in found]
            said = {"at": int(time.time() * 1000), "lines": told, "ways": ways}
            yield b"event: lines\ndata: " + orjson.dumps(said, default=str) + b"\n\n"
            until = time.monotonic() + 1.0
            while (left := until - time.monotonic()) > 0:
                message = await listening.next(left)
                if message is None:
                    break
                rates.note(message)
                if "cause" in message:
                    break


class _Rates:
    """Rows a second of each line over the last seconds, from what the bus tells."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def note(self, message: dict[str, Any]) -> None:
        """A round was carried."""
        if "read" in message:
            self._seen.setdefault(str(message["line"]), deque()).append((time.monotonic(), int(message["read"])))

    def of(self, line: str) -> float:
        """Rows a second of a line."""
        held, at = self._seen.get(line, deque()), time.monotonic()
        while held and held[0][0] < at - RATE_SECONDS:
            held.popleft()
        return round(sum(rows for _, rows in held) / min(RATE_SECONDS, max(1.0, at - self._began)), 1)


@router.get("/api/live/{line}", summary="一条实时专线 · One live line")
def show_live(city: InCity, asker: SignedIn, line: str, minutes: Annotated[int, Query(ge=1, le=1440)] = 60) -> OneStands:
    """How it stands, what it did minute by minute, and the way of its last rounds."""
    live_of_steward(city, line, asker)
    found = watch_lines(city, asker, line)
    told = [asdict(one) for one in minutes_of(city, line, minutes)]
    return OneStands(line=found[0].as_json(), position=standing_of(city, line).position, minutes=told, ways=ways_of(city, line))


@router.post("/api/live/{line}/loss/settle", status_code=204, summary="确认丢失已处理 · A loss was seen to")
def settle(city: InCity, asker: SignedIn, line: str) -> None:
    """After the bus lost its store: the senders have sent again what may have been lost, and the page need not say so any more."""
    settle_loss(city, live_of_steward(city, line, asker), asker)


@router.get("/api/live/{line}/devices", summary="专线的设备 · Devices of a line")
def list_devices(city: InCity, asker: SignedIn, line: str, page: Paging) -> list[DeviceShown]:
    """The devices that may send to a line."""
    live_of_steward(city, line, asker)
    found, _ = devices_of(city, line, page.limit, page.offset)
    return [DeviceShown(**asdict(one)) for one in found]


@router.post("/api/live/{line}/devices", status_code=201, summary="添加设备 · Add a device")
def make_device(city: InCity, asker: SignedIn, line: str, body: Annotated[DeviceName, Body()]) -> DeviceShown:
    """Let a device send to the line, by HTTP and, where the line takes MQTT, by MQTT; its secret is told this once."""
    secret = add_device(city, live_of_steward(city, line, asker), body.name, asker)
    return DeviceShown(name=body.name, line=line, actor=asker.label, secret=secret)


@router.delete("/api/live/{line}/devices/{device}", status_code=204, summary="移除设备 · Remove a device")
def drop_device(city: InCity, asker: SignedIn, line: str, device: str) -> None:
    """The device may send no more."""
    remove_device(city, live_of_steward(city, line, asker), device, asker)


@router.get("/api/lanes", summary="领域专线 · Lanes")
def list_lanes(city: InCity, asker: SignedIn) -> list[LaneSet]:
    """Every lane with its share and limit."""
    return [LaneSet(**asdict(one)) for one in lanes_of(city).values()]


@router.put("/api/lanes/{lane}", summary="设置领域专线 · Set a lane")
def put_lane(city: InCity, asker: Admin, lane: str, body: Annotated[LaneSet, Body()]) -> LaneSet:
    """Administrators: give a lane its share of the turns and its limit; it counts within a second."""
    return LaneSet(**asdict(set_lane(city, Lane(lane, body.weight, body.rows_per_second), asker)))
