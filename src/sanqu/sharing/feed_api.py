"""The change feed over HTTP: asked for again and again, or told as it happens (server-sent events)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from sanqu.ground.city import City
from sanqu.ground.errors import SanquError
from sanqu.ground.http import Asking, InCity, asker_of, lang_of
from sanqu.ground.hub import hub_of
from sanqu.ground.people.askers import Asker
from sanqu.ground.telemetry import tracer_of
from sanqu.sharing.feed import Feed, read_feed
from sanqu.sharing.limits import limit_rate
from sanqu.sharing.views import view_of

router = APIRouter(prefix="/api/feed", tags=["变更订阅 · Change feeds"])

# While nothing changes a line is sent all the same, so that nobody on the way hangs up; the law is looked at again then.
QUIET_SECONDS = 15.0
# Commits whose way is remembered until their changes are told.
MOST_WAYS = 50

Items = Annotated[str, Query(description="数据项，逗号分隔 · items, by commas")]
After = Annotated[int | None, Query(description="从这个快照之后 · after this snapshot", ge=0)]
Purpose = Annotated[str, Header(alias="X-Sanqu-Purpose", max_length=200)]


def _items(said: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in said.split(",") if one.strip())


@router.get("/{dataset}/changes", summary="取变更 · What changed since a snapshot", response_class=Response)
def changes(
    request: Request, city: InCity, asker: Asking, dataset: str, after: After = None, items: Items = "", x_sanqu_purpose: Purpose = "",
) -> Response:  # fmt: skip
    """What changed after a snapshot, of each key how it stands now; without `after`, the snapshot to begin from.

    `reload` says that so much changed that it is quicker to read the dataset again; 410 that the snapshot is too old.
    """
    limit_rate(request, city, asker)
    feed = read_feed(city, asker, dataset, after, purpose=x_sanqu_purpose, items=_items(items))
    return Response(feed.as_json(), media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/{dataset}", summary="实时变更 · Changes as they happen", response_class=Response)
async def events(
    request: Request, city: InCity, dataset: str, after: After = None, items: Items = "", x_sanqu_purpose: Purpose = "",
    purpose: Annotated[str, Query(alias="_purpose")] = "", last_event_id: Annotated[str, Header()] = "",
) -> StreamingResponse:  # fmt: skip
    """Changes as server-sent events: `change` (a row as it is now, or the key of one that went), `reload`, `refused`; and `way`,
    the moments (ms since 1970) at which what was told last was at its source, gathered, checked and committed, with its trace.

    Each event's id is a snapshot; a browser that comes back goes on after the last one it saw.
    """
    asker = await asyncio.to_thread(asker_of, request)
    limit_rate(request, city, asker)
    wanted, why = _items(items), x_sanqu_purpose or purpose
    start = int(last_event_id) if last_event_id.isdigit() else after
    first = await asyncio.to_thread(read_feed, city, asker, dataset, start, purpose=why, items=wanted)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    told = _Telling(city, asker, dataset, why, wanted, lang_of(request))
    return StreamingResponse(told.events(first), media_type="text/event-stream", headers=headers)


class _Telling:
    """One reader of a feed."""

    def __init__(self, city: City, asker: Asker, dataset: str, purpose: str, items: tuple[str, ...], lang: str) -> None:
        self._city, self._asker, self._dataset, self._purpose, self._items, self._lang = city, asker, dataset, purpose, items, lang

    async def events(self, feed: Feed) -> AsyncIterator[bytes]:
        """Events until the reader goes, or the law no longer lets them read."""
        view = await asyncio.to_thread(view_of, self._city, self._asker, self._dataset, self._purpose, self._items)
        topics = (f"lake.write.{view.table}", "lines.live.")

        def wanted(message: dict[str, Any]) -> bool:
            # What lines say is heard by all; of those, only what this dataset's lines committed.
            return "line" not in message or ("committed" in message and message.get("dataset") == view.table)

        ways = _Ways()
        async with hub_of(self._city).listen(topics, wanted) as listening:
            yield b"retry: 1000\n\n" + _event("begin", feed.after, {"dataset": self._dataset, "snapshot": feed.after})
            at, upto = feed.after, feed.snapshot
            while True:
                try:
                    feed = await asyncio.to_thread(
                        read_feed, self._city, self._asker, self._dataset, at, purpose=self._purpose, items=self._items, upto=upto
                    )
                except SanquError as fault:
                    yield _event("refused", at, fault.problem(self._lang))  # type: ignore[arg-type]
                    return
                for part in _told(feed):
                    yield part
                at = feed.snapshot
                ways.told(feed)
                # However often lines say what they did, the law is looked at again in time.
                until = time.monotonic() + QUIET_SECONDS
                while True:
                    if (way := ways.due()) is not None:
                        told = tracer_of(self._city).note("deliver", way["trace"], way["committed"], way["told"], dataset=self._dataset, via="feed")
                        yield _event("way", at, {**way, "trace": told})
                    message = await listening.next(max(0.0, until - time.monotonic()))
                    if message is None or "committed" not in message:
                        break
                    ways.heard(message)
                if message is None:
                    yield b": here\n\n"
                else:
                    upto = int(message.get("snapshot") or 0)


class _Ways:
    """The way of what this reader was told; of commits that told them nothing, they learn nothing."""

    def __init__(self) -> None:
        self._heard: dict[int, dict[str, Any]] = {}
        # The snapshots (after, up to) in which something was told last, and when (ms).
        self._span, self._at = (0, 0), 0

    def told(self, feed: Feed) -> None:
        """Something, or nothing, was told."""
        if feed.changes:
            self._span, self._at = (feed.after, feed.snapshot), int(time.time() * 1000)

    def heard(self, message: Mapping[str, Any]) -> None:
        """A line said which way a commit came."""
        snapshot = message.get("snapshot")
        if isinstance(snapshot, int):
            traces = message.get("traces") or [""]
            moments = {name: message.get(name) for name in ("line", "gathered", "checked", "committed")}
            self._heard[snapshot] = {"snapshot": snapshot, "source": (message.get("source") or [0])[0], "trace": traces[-1], **moments}
            while len(self._heard) > MOST_WAYS:
                self._heard.pop(next(iter(self._heard)))

    def due(self) -> dict[str, Any] | None:
        """The way of what was told last, once."""
        first, last = self._span
        fitting = [number for number in self._heard if first < number <= last]
        if not fitting:
            return None
        way = self._heard[max(fitting)]
        for number in [number for number in self._heard if number <= last]:
            del self._heard[number]
        return {**way, "told": self._at}


def _told(feed: Feed) -> list[bytes]:
    if feed.reload:
        return [_event("reload", feed.snapshot, {"dataset": feed.dataset, "snapshot": feed.snapshot})]
    told = int(time.time() * 1000)
    last = len(feed.changes) - 1
    # Who hangs up in the middle is told all of it again: only the last event has the new number.
    return [
        _event("change", feed.snapshot if number == last else feed.after, {"op": one.op, "row": one.row, "told": told})
        for number, one in enumerate(feed.changes)
    ]


def _event(kind: str, number: int, data: dict[str, object]) -> bytes:
    return f"event: {kind}\nid: {number}\ndata: ".encode() + orjson.dumps(data, default=str) + b"\n\n"
