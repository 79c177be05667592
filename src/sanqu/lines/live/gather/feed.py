"""A dataset of another Sanqu: its rows at one snapshot, then its change feed from there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import orjson

from sanqu.ground.errors import BadInput, Unavailable
from sanqu.ground.i18n import Text
from sanqu.lines import keeping
from sanqu.lines.live.envelope import Change, Op
from sanqu.lines.live.gather.first_load import Loaded, load_first
from sanqu.lines.live.gather.outlet import Gathering, Writer
from sanqu.lines.live.rows import cell_text
from sanqu.lines.live.standing import is_loaded, keep_source, place_of, set_state, standing_of
from sanqu.lines.sources.reach import fence_of
from sanqu.lines.sources.web import FencedTransport

PAGE_ROWS = 10_000
# The other city says that it is there at least so often; whoever is silent for longer is gone.
SILENT_SECONDS = 40.0
LAST = 2**31
# How often it is looked whether the line should stop.
LOOK_SECONDS = 0.25


class Reload(Exception):
    """The feed no longer reaches back to where we stand."""


def gather(gathering: Gathering) -> None:
    """Load the dataset where that was not done, then bring its changes until told to stop; runs in a thread of its own.

    Raises `BadInput` when the other city refuses, `Unavailable` while it is away.
    """
    line = gathering.line
    try:
        with _client(gathering) as client:
            if not is_loaded(standing_of(gathering.city, line.name), line):
                _load(gathering, client)
            _follow(gathering, client)
    except Reload:
        keep_source(gathering.city, line.name, loaded=False)
    except httpx.HTTPError as fault:
        if gathering.stopping():
            return
        raise Unavailable(
            "live.city-away",
            Text(zh=f"对方城市没有响应：{type(fault).__name__}", en=f"The other city does not answer: {type(fault).__name__}"),
            Text(zh="恢复后自动继续", en="The line goes on by itself when it is back"),
            line.source.url,
        ) from fault


def _client(gathering: Gathering) -> httpx.Client:
    source = gathering.line.source
    timeout = httpx.Timeout(30, read=SILENT_SECONDS)
    if keeping.approved_by(gathering.city, gathering.line.name):
        return httpx.Client(base_url=source.url.rstrip("/"), headers=source.headers, timeout=timeout)
    transport = FencedTransport(fence_of(gathering.city))
    return httpx.Client(base_url=source.url.rstrip("/"), headers=source.headers, timeout=timeout, transport=transport, trust_env=False)


def _load(gathering: Gathering, client: httpx.Client) -> None:
    dataset = gathering.line.source.dataset
    began = _said(gathering, client.get(f"/api/feed/{dataset}/changes"))
    snapshot = int(began["snapshot"])
    pages = _pages(gathering, client, f"/api/open/{dataset}?snapshot={snapshot}&limit={PAGE_ROWS}&format=json")
    first = next(pages, [])
    columns = tuple(first[0]) if first else gathering.contract.names
    load_first(gathering, Loaded(columns, _rows(columns, first, pages), (snapshot, LAST, snapshot), str(snapshot)))
    keep_source(gathering.city, gathering.line.name, loaded=True, origin=gathering.line.origin)


def _pages(gathering: Gathering, client: httpx.Client, address: str) -> Iterator[list[dict[str, Any]]]:
    following: str | None = address
    while following:
        said = _said(gathering, client.get(following))
        yield said["rows"]
        following = said.get("next")


def _rows(columns: Sequence[str], first: list[dict[str, Any]], pages: Iterator[list[dict[str, Any]]]) -> Iterator[list[str | None]]:
    for page in ([first], pages):
        for rows in page:
            yield from ([cell_text(row.get(name)) for name in columns] for row in rows)


def _said(gathering: Gathering, answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code == 410:
        raise Reload
    if answer.status_code >= 500 or answer.status_code == 429:
        raise httpx.RemoteProtocolError(f"status {answer.status_code}")
    said = orjson.loads(answer.content) if "json" in answer.headers.get("content-type", "") else {}
    if answer.status_code >= 400:
        raise _refused(gathering, said or {"title": f"status {answer.status_code}"})
    return dict(said)


def _refused(gathering: Gathering, said: dict[str, Any]) -> BadInput:
    what = said.get("what") or {}
    told = str(said.get("title", ""))[:300]
    return BadInput(
        "live.city-refuses",
        Text(zh=f"对方城市不给：{what.get('zh') or told}", en=f"The other city refuses: {what.get('en') or told}"),
        Text(zh="向对方申请共享，并在 source.headers 里带上密钥", en="Apply there for a grant, and give its key in source.headers"),
        f"{gathering.line.source.url} {gathering.line.source.dataset}",
    )


def _follow(gathering: Gathering, client: httpx.Client) -> None:
    end, number, start = (*(place_of(standing_of(gathering.city, gathering.line.name), gathering.line) or ()), 0, 0, 0)[:3]
    whole = number in (0, LAST)
    writer = Writer(gathering)
    follower = _Follower(writer, end if whole else start, 0 if whole or gathering.contract.primaryKey else number)
    address = f"/api/feed/{gathering.line.source.dataset}"
    with client.stream("GET", address, params={"after": follower.snapshot}) as answer, _left_at_once(gathering, answer):
        if answer.status_code != 200:
            answer.read()
            _said(gathering, answer)
        set_state(gathering.city, gathering.line.name, "flowing")
        for kind, number, data in _events(answer.iter_lines()):
            if gathering.stopping():
                break
            if kind == "refused":
                raise _refused(gathering, data)
            if kind == "reload":
                raise Reload
            if kind == "change":
                follower.take(number, data)


@contextmanager
def _left_at_once(gathering: Gathering, answer: httpx.Response) -> Iterator[None]:
    """A feed in which nothing happens is left as soon as the line should stop, not at its next word."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_SECONDS):
            if gathering.stopping():
                with suppress(OSError, KeyError, AttributeError):
                    answer.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)
                return

    watching = threading.Thread(target=watch, name=f"leave {gathering.line.name}", daemon=True)
    watching.start()
    try:
        yield
    finally:
        done.set()


def _events(lines: Iterator[str]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Server-sent events: kind, id, data; an empty kind while nothing happens."""
    kind, number = "", 0
    for line in lines:
        if line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("id: "):
            number = int(line[4:])
        elif line.startswith("data: "):
            yield kind, number, orjson.loads(line[6:])
        elif line.startswith(":"):
            yield "", number, {}


class _Follower:
    """Changes of the feed as changes of the line, a step of the feed at a time.

    A place is (the snapshot a step leads to, number in it, the snapshot it began from); the last of a step has number `LAST`.
    A step that is in the lake in part only is asked for again: by key that changes nothing, and without keys as many rows are
    left out as are there (`known`), for rows come in the order in which they were added.
    """

    def __init__(self, writer: Writer, snapshot: int, known: int) -> None:
        self.snapshot = snapshot
        self._writer, self._known = writer, known
        self._held: list[tuple[Op, dict[str, Any]]] = []

    def take(self, number: int, data: dict[str, Any]) -> None:
        """Take one change; the step is sent once it is whole."""
        self._held.append(("drop" if data["op"] == "drop" else "put", data["row"]))
        if number <= self.snapshot:
            return
        held, self._held = self._held[self._known :], []
        for place, (op, row) in enumerate(held, self._known + 1):
            last = place == len(held) + self._known
            told = (number, LAST if last else place, self.snapshot)
            self._writer.add(Change(op, row, told), int(data["told"]), 60 + 20 * len(row))
        self._writer.settle()
        self.snapshot, self._known = number, 0
