"""Rows for live lines over HTTP."""

from __future__ import annotations

import base64
import time
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from sanqu.ground.city import City
from sanqu.ground.errors import Conflict, Refused
from sanqu.ground.http import InCity, asker_of, require_asker
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.lines import keeping
from sanqu.lines.live.devices import line_of_device
from sanqu.lines.live.push import push_door_of, push_events, push_frames, push_lines, push_rows, read_events, read_rows
from sanqu.lines.records import Line

router = APIRouter(prefix="/api/live", tags=["实时专线 · Live lines"])


class Kept(BaseModel):
    """Rows that are kept and will be carried; of these, how many an earlier request with the same key had brought."""

    accepted: int
    repeated: int = 0


@router.post("/{line}", status_code=202, summary="推送数据 · Push rows")
async def push(
    request: Request, city: InCity, line: str,
    idempotency_key: Annotated[str, Header(max_length=200)] = "", traceparent: Annotated[str, Header(max_length=100)] = "",
) -> Kept:  # fmt: skip
    """Rows for a line: a JSON object, an array of objects, objects line by line (`application/x-ndjson`, taken in as they
    come), CloudEvents, or, where the line says `format = "jt808"`, messages of vehicle terminals
    (`application/octet-stream`). Answered once they are kept. The same `Idempotency-Key` again brings nothing twice.

    A steward sends an API key; a device its name and secret (HTTP Basic), and only to its own line.
    """
    told = await _line_of(request, city, line)
    door = push_door_of(city)
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind in ("application/x-ndjson", "application/jsonl", "application/ndjson"):
        longest = city.settings.max_line_mb * 1024 * 1024
        done = await push_lines(door, told, request.stream(), idempotency_key, traceparent, longest)
    elif kind.startswith("application/cloudevents") or "ce-id" in request.headers:
        done = await push_events(door, told, read_events(await request.body(), kind, request.headers, told), traceparent)
    elif kind == "application/octet-stream" and told.source.format == "jt808":
        done = await push_frames(door, told, await request.body(), idempotency_key, traceparent)
    else:
        done = await push_rows(door, told, read_rows(await request.body(), told), idempotency_key, traceparent)
    return Kept(accepted=done.accepted, repeated=done.repeated)


async def _line_of(request: Request, city: City, name: str) -> Line:
    """The line, looked up anew every second: devices push often, and lines and roles change rarely."""
    known = push_door_of(city).lines
    said = request.headers.get("authorization", "")
    device = sha256(said.encode()).hexdigest() if said[:6].lower() == "basic " else ""
    asker = None if device else await run_in_threadpool(require_asker, request)
    key = (asker.label if asker else device, name)
    found = known.get(key)
    if found is None or found[0] < time.monotonic():
        if len(known) > 10_000:
            known.clear()
        if asker is None:
            line = await run_in_threadpool(_sent, request, city, name, said[6:])
        else:
            line = await run_in_threadpool(_pushed, city, name, asker)
        found = known[key] = (time.monotonic() + 1.0, line)
    return found[1]


def _sent(request: Request, city: City, name: str, said: str) -> Line:
    """The line, for a device of it; a name and password for a proxy on the way leave it to the reader's session."""
    try:
        device, _, secret = base64.b64decode(said.strip(), validate=True).decode().partition(":")
    except ValueError:
        device = secret = ""
    line = line_of_device(city, device, secret) if "\0" not in device else None
    if line == name:
        return _takes_pushes(keeping.line_of(city, name))
    asker = asker_of(request)
    if line is None and asker.signed_in:
        return _pushed(city, name, asker)
    raise Refused(
        "live.device-unknown" if line is None else "live.device-elsewhere",
        Text(zh="设备名称或密码不对", en="The device's name or its secret is wrong") if line is None
        else Text(zh="这台设备只能向它自己的专线发送", en="This device may send to its own line only"),
        Text(zh="在专线页上核对设备，或另加一台", en="Look at the line's devices on its page, or add one"),
        name,
        status=401 if line is None else 403,
    )  # fmt: skip


def _pushed(city: City, name: str, asker: Asker) -> Line:
    """The line, for one who may push to it."""
    line = keeping.line_of(city, name)
    keeping.refuse_stranger(city, line.dataset, asker)
    return _takes_pushes(line)


def _takes_pushes(line: Line) -> Line:
    if line.source.kind != "push":
        raise Conflict(
            "live.no-push",
            Text(zh=f"这条专线的来源是 {line.source.kind}，不接收推送", en=f"The line takes rows from {line.source.kind}, not by push"),
            Text(zh="另建一条来源为 push 的专线", en="Make a line whose source is push"),
            line.name,
        )
    return line
