"""Rows that come by HTTP (推送): one, many, line by line as they are sent, or as CloudEvents; kept before they are answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from nats.aio.client import Client

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, SanquError
from sanqu.ground.i18n import Text
from sanqu.ground.telemetry import tracer_of
from sanqu.lines.live import jt808
from sanqu.lines.live.envelope import AT, TRACE, chunked, given_trace, new_trace
from sanqu.lines.live.stream import connect, ensure_stream, put
from sanqu.lines.records import Line

MOST_ROWS, MOST_BYTES = 1_000, 400_000
LARGEST_ROW = 900_000


@dataclass(frozen=True)
class Accepted:
    """What was kept: rows in all, and of these how many an earlier request with the same key had brought already."""

    accepted: int
    repeated: int = 0


@dataclass(frozen=True)
class Event:
    """A CloudEvent: its own mark, its data as a row, and the trace it says it belongs to (extension “Distributed Tracing”)."""

    mark: str
    row: dict[str, Any]
    trace: str = ""


class PushDoor:
    """The bus as this process's requests reach it."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._client: Client | None = None
        self._opening = asyncio.Lock()
        self._known: set[str] = set()
        # By who asks and line: until when it is remembered that they may push, and the line.
        self.lines: dict[tuple[str, str], tuple[float, Line]] = {}

    async def client(self) -> Client:
        """The connection, opened when first needed; raises `Unavailable`."""
        async with self._opening:
            if self._client is None or self._client.is_closed:
                self._client = await connect(self._city.bus.url, "sanqu push")
                self._known.clear()
            return self._client

    async def accept(self, line: Line, payload: bytes, rows: int, mark: str, trace: str) -> Accepted:
        """Keep one message; raises `Busy` when the line is too far behind, `Unavailable`."""
        js = (await self.client()).jetstream()
        if line.name not in self._known:
            await ensure_stream(js, line)
            self._known.add(line.name)
        at, given = int(now().timestamp() * 1000), given_trace(trace)
        own, span = tracer_of(self._city).begin("gather", given, at, line=line.name, rows=rows, via="push")
        try:
            fresh = await put(js, line, payload, {AT: str(at), TRACE: own or new_trace()}, mark)
        except SanquError:
            self._known.discard(line.name)
            raise
        finally:
            if span is not None:
                span.end()
        return Accepted(rows, 0 if fresh else rows)

    async def aclose(self) -> None:
        """Hang up."""
        if self._client is not None:
            await self._client.close()


def push_door_of(city: City) -> PushDoor:
    """The push door of this process."""
    return city.part(PushDoor, PushDoor)


async def push_rows(door: PushDoor, line: Line, rows: Sequence[Mapping[str, Any]], key: str = "", trace: str = "") -> Accepted:
    """Keep `rows`; the same `key` again keeps nothing anew. Raises `BadInput` naming a row that is too large, `Busy`, `Unavailable`."""
    total = Accepted(0)
    for number, payload in enumerate(_chunks(rows, line)):
        if len(payload) > LARGEST_ROW:
            raise _too_large(line, total.accepted + 1)
        count = payload.count(b"\n") + 1
        one = await door.accept(line, payload, count, _mark(line, key, number), trace)
        total = Accepted(total.accepted + one.accepted, total.repeated + one.repeated)
    return total


async def push_frames(door: PushDoor, line: Line, body: bytes, key: str = "", trace: str = "") -> Accepted:
    """Keep messages of vehicle terminals (JT/T 808) as they came; raises `BadInput` for what is none, `Busy`, `Unavailable`."""
    if body[:1] != b"\x7e" or len(body) > LARGEST_ROW:
        raise BadInput(
            "live.no-frame", Text(zh="不是 JT/T 808 报文，或太长", en="This is no message of JT/T 808, or too long"),
            Text(zh="报文以 0x7e 开头和结尾；一次不超过 900 KB", en="Messages begin and end with 0x7e; at most 900 KB at a time"), line.name,
        )  # fmt: skip
    return await door.accept(line, body, len(jt808.split(body)[0]), _mark(line, key, 0), trace)


async def push_lines(door: PushDoor, line: Line, chunks: AsyncIterator[bytes], key: str, trace: str, longest: int) -> Accepted:
    """Keep rows as they come, one a line; what was kept before something goes wrong stays, and its count is told.

    Raises `BadInput` naming the line that is no JSON object or longer than `longest` bytes, `Busy`, `Unavailable`.
    """
    total, rest, number, part = Accepted(0), b"", 0, 0
    held: list[dict[str, Any]] = []
    try:
        async for chunk in chunks:
            *whole, rest = (rest + chunk).split(b"\n")
            for text in whole:
                number += 1
                if text.strip():
                    held.append(read_row(text, number, line))
                # Cut by rows and not as the network cuts them: sent again, the same rows make the same messages.
                if len(held) == MOST_ROWS:
                    total, part = await _send(door, line, held, key, trace, total, part)
                    held = []
            if len(rest) > longest:
                raise _too_large(line, number + 1)
        if rest.strip():
            held.append(read_row(rest, number + 1, line))
        if held:
            total, part = await _send(door, line, held, key, trace, total, part)
    except SanquError as fault:
        fault.facts["accepted"] = total.accepted
        raise
    return total


async def _send(
    door: PushDoor, line: Line, rows: Sequence[dict[str, Any]], key: str, trace: str, total: Accepted, part: int
) -> tuple[Accepted, int]:  # fmt: skip
    one = await push_rows(door, line, rows, f"{key}/{part}" if key else "", trace)
    return Accepted(total.accepted + one.accepted, total.repeated + one.repeated), part + 1


async def push_events(door: PushDoor, line: Line, events: Sequence[Event], trace: str = "") -> Accepted:
    """Keep CloudEvents, each once however often it is sent; raises as `push_rows`."""
    total = Accepted(0)
    for event in events:
        (payload,) = _chunks([event.row], line)
        if len(payload) > LARGEST_ROW:
            raise _too_large(line, total.accepted + 1)
        one = await door.accept(line, payload, 1, event.mark, event.trace or trace)
        total = Accepted(total.accepted + one.accepted, total.repeated + one.repeated)
    return total


def _chunks(rows: Sequence[Mapping[str, Any]], line: Line) -> list[bytes]:
    """Rows as payloads; raises `BadInput` for one nested so deep that it cannot be kept."""
    try:
        return list(chunked(rows, MOST_ROWS, MOST_BYTES))
    except TypeError as fault:
        raise _no_json(line, "1", str(fault)) from fault


def _mark(line: Line, key: str, number: int) -> str:
    return f"{line.name}:{key}:{number}" if key else ""


def read_rows(body: bytes, line: Line) -> list[dict[str, Any]]:
    """The rows of a body: an object, or an array of objects; raises `BadInput` naming the place."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise _no_json(line, "1", str(fault)) from fault
    rows = said if isinstance(said, list) else [said]
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise _no_json(line, str(number), f"{type(row).__name__}, not an object")
    return rows


def read_row(text: bytes, number: int, line: Line) -> dict[str, Any]:
    """The row in one line of text; raises `BadInput` naming the line."""
    try:
        row = orjson.loads(text)
    except orjson.JSONDecodeError as fault:
        raise _no_json(line, str(number), str(fault)) from fault
    if not isinstance(row, dict):
        raise _no_json(line, str(number), f"{type(row).__name__}, not an object")
    return row


def read_events(body: bytes, kind: str, headers: Mapping[str, str], line: Line) -> list[Event]:
    """CloudEvents 1.0 in structured, batched or binary form (HTTP protocol binding §3); raises `BadInput`.

    The row is the event's data, with its attributes beside it as `ce_id`, `ce_source`, `ce_type`, `ce_time`, `ce_subject`.
    """
    if kind == "application/cloudevents+json" or kind == "application/cloudevents-batch+json":
        return [_event(said, said.get("data"), line) for said in read_rows(body, line)]
    attributes = {name.removeprefix("ce-"): value for name, value in headers.items() if name.startswith("ce-")}
    rows = read_rows(body, line) if body else [{}]
    return [_event(attributes, rows[0], line)]


def _event(attributes: Mapping[str, Any], data: Any, line: Line) -> Event:
    for name in ("id", "source", "type", "specversion"):
        if not attributes.get(name):
            raise BadInput(
                "live.no-event",
                Text(zh=f"CloudEvent 缺少 {name}", en=f"The CloudEvent has no {name}"),
                Text(zh="按 CloudEvents 1.0 给出 id、source、type、specversion", en="Give id, source, type and specversion as CloudEvents 1.0 says"),
                line.name,
                facts={"attribute": name},
            )
    told = dict(_told(attributes))
    row = told | (data if isinstance(data, dict) else {"data": data})
    mark = sha256(f"{attributes['source']}\n{attributes['id']}".encode()).hexdigest()[:40]
    said = attributes.get("traceparent")
    return Event(f"{line.name}:ce:{mark}", row, given_trace(said if isinstance(said, str) else ""))


def _told(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("id", "source", "type", "time", "subject"):
        if attributes.get(name):
            yield f"ce_{name}", str(attributes[name])


def _no_json(line: Line, place: str, said: str) -> BadInput:
    return BadInput(
        "live.no-json",
        Text(zh=f"第 {place} 行不是 JSON 对象：{said[:200]}", en=f"Row {place} is no JSON object: {said[:200]}"),
        Text(zh="发送一个对象、对象的数组，或每行一个对象（application/x-ndjson）", en="Send an object, an array of objects, or an object a line (application/x-ndjson)"),
        line.name,
        facts={"row": place},
    )


def _too_large(line: Line, number: int) -> BadInput:
    return BadInput(
        "live.row-large",
        Text(zh=f"第 {number} 行太大", en=f"Row {number} is too large"),
        Text(zh=f"一行至多 {LARGEST_ROW // 1000} KB；大的内容存成文件再引用", en=f"A row has at most {LARGEST_ROW // 1000} KB; keep what is larger as a file and refer to it"),
        line.name,
        status=413,
        facts={"row": number},
    )
