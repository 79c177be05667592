"""Live lines over HTTP: rows in, and how lines stand."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from sanqu.ground.city import City
from sanqu.ground.errors import Conflict
from sanqu.ground.http import InCity, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.lines import keeping
from sanqu.lines.live.push import push_door_of, push_events, push_lines, push_rows, read_events, read_rows
from sanqu.lines.records import Line

router = APIRouter(prefix="/api/live", tags=["实时专线 · Live lines"])


class Kept(BaseModel):
    """Rows that are kept and will be carried; of these, how many an earlier request with the same key had brought."""

    accepted: int
    repeated: int = 0


def _pushed(city: City, name: str, asker: Asker) -> Line:
    """The line, for one who may push to it."""
    line = keeping.line_of(city, name)
    keeping.refuse_stranger(city, line.dataset, asker)
    if line.source.kind != "push":
        raise Conflict(
            "live.no-push",
            Text(zh=f"这条专线的来源是 {line.source.kind}，不接收推送", en=f"The line takes rows from {line.source.kind}, not by push"),
            Text(zh="另建一条来源为 push 的专线", en="Make a line whose source is push"),
            name,
        )
    return line


@router.post("/{line}", status_code=202, summary="推送数据 · Push rows")
async def push(
    request: Request, city: InCity, asker: SignedIn, line: str,
    idempotency_key: Annotated[str, Header(max_length=200)] = "", traceparent: Annotated[str, Header(max_length=100)] = "",
) -> Kept:  # fmt: skip
    """Rows for a line: a JSON object, an array of objects, objects line by line (`application/x-ndjson`, taken in as they
    come), or CloudEvents. Answered once they are kept. The same `Idempotency-Key` again brings nothing twice.
    """
    told = await _line_of(city, line, asker)
    door = push_door_of(city)
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind in ("application/x-ndjson", "application/jsonl", "application/ndjson"):
        longest = city.settings.max_line_mb * 1024 * 1024
        done = await push_lines(door, told, request.stream(), idempotency_key, traceparent, longest)
    elif kind.startswith("application/cloudevents") or "ce-id" in request.headers:
        done = await push_events(door, told, read_events(await request.body(), kind, request.headers, told), traceparent)
    else:
        done = await push_rows(door, told, read_rows(await request.body(), told), idempotency_key, traceparent)
    return Kept(accepted=done.accepted, repeated=done.repeated)


async def _line_of(city: City, name: str, asker: Asker) -> Line:
    """The line, looked up anew every second: devices push often, and lines and roles change rarely."""
    known = push_door_of(city).lines
    key = (asker.label, name)
    found = known.get(key)
    if found is None or found[0] < time.monotonic():
        if len(known) > 10_000:
            known.clear()
        found = known[key] = (time.monotonic() + 1.0, await run_in_threadpool(_pushed, city, name, asker))
    return found[1]


