"""The network map of all lines (数据高铁网络图): what flows, what is late and why; and the page of one live line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sanqu.ground.broker import running_nats
from sanqu.ground.city import City
from sanqu.ground.errors import SanquError
from sanqu.ground.http import InCity, Paging, SignedIn, base_of
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.lake import lake_of
from sanqu.lines.keeping import save_line
from sanqu.lines.live.devices import add_device, devices_of, remove_device
from sanqu.lines.live.lanes import Lane, lanes_of
from sanqu.lines.live.loss import settle_loss
from sanqu.lines.live.meters import Minute, minutes_of
from sanqu.lines.live.standing import ways_of
from sanqu.lines.live.stream import subject_of
from sanqu.lines.live.watch import Watched, narrowed, watch_lines
from sanqu.lines.live.watch_api import live_of_steward
from sanqu.lines.quarantine import count_quarantine
from sanqu.lines.records import LANES, Line
from sanqu.sharing.readers import Reader, readers_of
from sanqu.web.workbench import refuse_others

router = APIRouter(prefix="/live", include_in_schema=False)

# So many lines are drawn; all are in the table.
MOST_DRAWN = 60
STATES = ("trouble", "flowing", "late", "stopped", "waiting", "loading", "running", "failed", "resting", "off")
RESTING = ("resting", "off")
EXAMPLES = {"integer": 1, "number": 12.5, "boolean": True, "date": "2026-01-31", "datetime": "2026-01-31T08:00:00", "year": 2026}


@dataclass(frozen=True)
class Stop:
    """A dataset where lines of a lane end, with who is told what changes in it."""

    dataset: str
    lines: tuple[Watched, ...]
    readers: tuple[Reader, ...]

    @property
    def rank(self) -> int:
        """0: something is in trouble; 1: something flows; 2: all rests."""
        if any(one.trouble for one in self.lines) or any(one.trouble for one in self.readers):
            return 0
        return 2 if all(one.state in RESTING for one in self.lines) else 1


@dataclass(frozen=True)
class Band:
    """A lane of the map with its stops: those in trouble first, those that rest last."""

    lane: Lane
    stops: tuple[Stop, ...]

    @property
    def rank(self) -> int:
        """That of its worst stop."""
        return min(stop.rank for stop in self.stops)

    @property
    def moving(self) -> tuple[Stop, ...]:
        """What is drawn."""
        return tuple(stop for stop in self.stops if stop.rank < 2)

    @property
    def resting(self) -> tuple[Stop, ...]:
        """What is folded."""
        return tuple(stop for stop in self.stops if stop.rank == 2)

    @property
    def per_second(self) -> float:
        """Rows a second on the lane."""
        return sum(one.per_second for stop in self.stops for one in stop.lines)


def _bands(city: City, found: list[Watched], readers: Mapping[str, tuple[Reader, ...]]) -> list[Band]:
    held = lanes_of(city)

    def stops(lines: list[Watched]) -> tuple[Stop, ...]:
        ordered = sorted(lines, key=lambda one: (one.line.dataset, one.trouble is None, one.line.name))
        made = [Stop(name, tuple(part), readers.get(name, ())) for name, part in groupby(ordered, key=lambda one: one.line.dataset)]
        return tuple(sorted(made, key=lambda stop: stop.rank))

    bands = [Band(held.get(name, Lane(name)), stops(lines)) for name in LANES if (lines := [one for one in found if one.line.lane == name])]
    return sorted(bands, key=lambda band: band.rank)


@router.get("")
def network(
    request: Request, city: InCity, asker: SignedIn, page: Paging, lane: str = "", state: str = "", q: str = ""
) -> HTMLResponse:  # fmt: skip
    """The map, and the table beside it."""
    refuse_others(asker)
    every = watch_lines(city, asker)
    readers = readers_of(city, {one.line.dataset for one in every})
    lagging = {name for name, held in readers.items() if any(reader.trouble for reader in held)}
    found = narrowed(every, lane=lane, state="" if state == "trouble" else state, q=q)
    if state == "trouble":
        found = [one for one in found if one.trouble or one.line.dataset in lagging]
    # What has trouble comes first, where not all can be drawn and in the table.
    found.sort(key=lambda one: (one.trouble is None, one.line.dataset not in lagging, one.state in RESTING, not one.line.live, one.line.name))
    drawn = found[:MOST_DRAWN]
    return render(
        request, "web/network.html", bands=_bands(city, drawn, readers), drawn=len(drawn), shown=found[page.offset : page.offset + page.limit],
        total=len(found), every=len(every), page=page, lane=lane, state=state, q=q, lanes=LANES, states=STATES,
        export="/api/live.csv?" + urlencode({"batch": "true", "lane": lane, "state": state, "q": q}),
        troubled=sum(one.trouble is not None for one in every), flowing=sum(one.state == "flowing" for one in every),
        backlog=sum(one.backlog for one in every), per_second=sum(one.per_second for one in every),
        alerts=sum(bool(one.burn and one.burn.alert) for one in every), untold=_untold(readers), unfold=bool(state or q),
    )  # fmt: skip


def _untold(readers: Mapping[str, tuple[Reader, ...]]) -> int:
    """How many readers are not told as they should be."""
    return sum(one.trouble is not None for held in readers.values() for one in held)


@router.get("/-/readers")
def readers_now(request: Request, city: InCity, asker: SignedIn) -> HTMLResponse:
    """The right side of the map as it stands now: a part for each dataset, and how many readers are in trouble."""
    refuse_others(asker)
    names = {one.line.dataset for one in watch_lines(city, asker)}
    found = readers_of(city, names)
    return render(request, "web/readers.html", readers={name: found.get(name, ()) for name in names}, untold=_untold(found))


@router.get("/{name}")
def live_line(request: Request, city: InCity, asker: SignedIn, page: Paging, name: str) -> Response:
    """One live line: how it stands and why, what it did in the last hour, its devices, the way of its last rows."""
    return _line_page(request, city, asker, name, page.offset)


def _line_page(
    request: Request, city: City, asker: Asker, name: str, offset: int = 0, secret: tuple[str, str] | None = None,
    fault: SanquError | None = None,
) -> HTMLResponse:  # fmt: skip
    line = live_of_steward(city, name, asker)
    watched = watch_lines(city, asker, name)[0]
    devices, total = devices_of(city, name, 50, offset)
    running = running_nats(city.settings.home)
    return render(
        request, "web/live_line.html", fault.status if fault else 200, line=line, one=watched, chart=_chart(minutes_of(city, name)),
        waiting=count_quarantine(city, line=name, state="waiting"), lane=lanes_of(city).get(line.lane, Lane(line.lane)),
        devices=devices, device_count=total, offset=offset, secret=secret, fault=fault, ways=ways_of(city, name)[::-1],
        mqtt=(running or {}).get("mqtt", ""), topic=line.source.topic, subject=subject_of(line),
        address=f"{base_of(city, request)}/api/live/{name}", example=_example(city, line),
        takes_devices=line.source.kind in ("push", "jt808") or (line.source.kind == "mqtt" and not line.source.url),
    )  # fmt: skip


def _example(city: City, line: Line) -> dict[str, Any]:
    """A row as a device might send it."""
    items = line.input or lake_of(city).contract(line.dataset).fields
    return {item.name: EXAMPLES.get(item.type, "A1") for item in items[:6]}


def _chart(minutes: list[Minute]) -> dict[str, Any] | None:
    if not minutes:
        return None
    return {
        "legend": {}, "xAxis": {"type": "category", "data": [one.minute.strftime("%H:%M") for one in minutes]},
        "yAxis": [{"type": "value", "name": "ms", "min": 0}, {"type": "value", "name": "rows/s", "min": 0, "splitLine": {"show": False}}],
        "series": [
            {"name": "p50", "type": "line", "showSymbol": len(minutes) < 3, "data": [one.p50 and round(one.p50) for one in minutes]},
            {"name": "p99", "type": "line", "showSymbol": len(minutes) < 3, "data": [one.p99 and round(one.p99) for one in minutes]},
            {"name": "rows/s", "type": "bar", "yAxisIndex": 1, "barMaxWidth": 8, "itemStyle": {"opacity": 0.35},
             "data": [round(one.read / 60, 2) for one in minutes]},
        ],
    }  # fmt: skip


@router.post("/{name}/enabled")
def set_enabled(city: InCity, asker: SignedIn, name: str, do: Annotated[Literal["on", "off"], Form()]) -> Response:
    """Let a line flow, or let it rest: what comes meanwhile waits."""
    line = live_of_steward(city, name, asker)
    save_line(city, line.model_copy(update={"enabled": do == "on"}), asker)
    return RedirectResponse(f"/live/{name}", 303)


@router.post("/{name}/loss/settle")
def loss_settled(city: InCity, asker: SignedIn, name: str) -> Response:
    """What may have been lost with the bus was seen to."""
    settle_loss(city, live_of_steward(city, name, asker), asker)
    return RedirectResponse(f"/live/{name}", 303)


@router.post("/{name}/devices")
def new_device(request: Request, city: InCity, asker: SignedIn, name: str, device: Annotated[str, Form()]) -> HTMLResponse:
    """Add a device and show its secret, this once."""
    line = live_of_steward(city, name, asker)
    try:
        secret = add_device(city, line, device.strip(), asker)
    except SanquError as fault:
        return _line_page(request, city, asker, name, fault=fault)
    return _line_page(request, city, asker, name, secret=(device.strip(), secret))


@router.post("/{name}/devices/{device}/remove")
def drop_device(city: InCity, asker: SignedIn, name: str, device: str) -> Response:
    """The device may send no more."""
    remove_device(city, live_of_steward(city, name, asker), device, asker)
    return RedirectResponse(f"/live/{name}#devices", 303)
