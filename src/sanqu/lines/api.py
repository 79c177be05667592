"""Lines over HTTP: list, make, run, watch; the quarantine: look, mend, drop, replay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from sanqu.ground.city import City
from sanqu.ground.errors import Conflict
from sanqu.ground.http import InCity, Language, Paging, SignedIn, city_of, require_asker
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import defer
from sanqu.ground.people.askers import Asker
from sanqu.lines import keeping
from sanqu.lines.export import csv_answer
from sanqu.lines.live.api import router as live_router
from sanqu.lines.live.watch_api import router as watch_router
from sanqu.lines.locks import is_held
from sanqu.lines.quarantine import count_quarantine, drop, list_quarantine, mend, quarantined
from sanqu.lines.records import Counts, Line, Quarantined, Run, RunState
from sanqu.lines.replay import replay
from sanqu.lines.writing import shown, with_secrets

router = APIRouter(prefix="/api/lines", tags=["专线 · Lines"])

CSV_PAGE = 1000


class LineShown(BaseModel):
    """A line with how it stands."""

    line: dict[str, Any]
    approved: bool = False
    last_run: Run | None = None
    waiting: int = 0


class RowsShown(BaseModel):
    """A page of the quarantine and how many rows there are in all."""

    count: int
    rows: list[Quarantined]


class Queued(BaseModel):
    """A run that was asked for; it stands in the list of runs once a worker takes it up."""

    line: str
    queued: bool


def steward_of_line(name: str, city: InCity, asker: SignedIn) -> Line:
    """The line in the path, for one who answers for its dataset."""
    line = keeping.line_of(city, name)
    keeping.refuse_stranger(city, line.dataset, asker)
    return line


Mine = Annotated[Line, Depends(steward_of_line)]


def _may(city: City, dataset: str, asker: Asker) -> bool:
    from sanqu.ground.errors import SanquError

    try:
        keeping.refuse_stranger(city, dataset, asker)
    except SanquError:
        return False
    return True


@router.get("", summary="专线列表 · Lines you answer for")
def list_lines(city: InCity, asker: SignedIn, page: Paging, dataset: str | None = None) -> list[LineShown]:
    """Lines of datasets that the asker stewards, with the last run of each and the rows that wait in quarantine."""
    mine = [line for line in keeping.lines(city, dataset=dataset) if _may(city, line.dataset, asker)]
    return [_standing(city, line) for line in mine[page.offset : page.offset + page.limit]]


def _standing(city: City, line: Line) -> LineShown:
    last = keeping.runs(city, line=line.name, limit=1)
    waiting = count_quarantine(city, line=line.name, state="waiting")
    return LineShown(line=shown(line), approved=bool(keeping.approved_by(city, line.name)), last_run=last[0] if last else None, waiting=waiting)


@router.post("", status_code=201, summary="新建专线 · Make a line")
def create_line(city: InCity, asker: SignedIn, body: Annotated[dict[str, Any], Body()]) -> LineShown:
    """Make a line from its descriptor."""
    return _standing(city, keeping.save_line(city, Line.from_descriptor(body), asker, new=True))


@router.get("/runs/{run}", summary="一次运行 · One run")
def show_run(city: InCity, asker: SignedIn, run: int) -> Run:
    """One run with its counts and cause."""
    found = keeping.run_of(city, run)
    keeping.refuse_stranger(city, found.dataset, asker)
    return found


@router.get("/runs/{run}/progress", summary="运行进度（SSE）· Progress of a run as server-sent events")
async def watch_run(request: Request, run: int) -> StreamingResponse:
    """Progress as server-sent events until the run ends."""
    city = city_of(request)
    asker = await asyncio.to_thread(require_asker, request)
    found = await asyncio.to_thread(keeping.run_of, city, run)
    await asyncio.to_thread(keeping.refuse_stranger, city, found.dataset, asker)
    return StreamingResponse(_progress(city, run), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _progress(city: City, run: int) -> AsyncIterator[str]:
    """What the bus tells, and every second what the table says: a lost message costs a second, no more."""
    wakes: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def listen() -> None:
        async for message in city.bus.subscribe(f"lines.run.{run}"):
            await wakes.put(message)

    listening = asyncio.create_task(listen())
    try:
        while True:
            found = await asyncio.to_thread(keeping.run_of, city, run)
            yield f"event: run\ndata: {found.model_dump_json()}\n\n"
            if found.state != RunState.RUNNING:
                return
            try:
                async with asyncio.timeout(1.0):
                    message = await wakes.get()
                yield f"event: progress\ndata: {json.dumps(message, ensure_ascii=False)}\n\n"
            except TimeoutError:
                continue
    finally:
        listening.cancel()


@router.get("/quarantine/{row}", summary="一条隔离行 · One quarantined row")
def show_quarantined(city: InCity, asker: SignedIn, row: int) -> Quarantined:
    """A quarantined row with its reasons."""
    found = quarantined(city, row)
    keeping.refuse_stranger(city, found.dataset, asker)
    return found


@router.post("/quarantine/{row}/mend", summary="修改隔离行 · Mend a row")
def mend_row(city: InCity, asker: SignedIn, row: int, values: Annotated[dict[str, str | None], Body()]) -> Quarantined:
    """Give items new values, as text; the row is checked again when it is replayed."""
    return mend(city, row, values, asker)


@router.post("/quarantine/{row}/drop", summary="放弃隔离行 · Drop a row")
def drop_row(city: InCity, asker: SignedIn, row: int) -> Quarantined:
    """Give a row up; it stays on record."""
    return drop(city, row, asker)


@router.get("/{name}", summary="一条专线 · One line")
def show_line(city: InCity, line: Mine) -> LineShown:
    """A line with its last run."""
    return _standing(city, line)


@router.post("/{name}/approve", summary="批准来源 · Let a line reach what is shut to stewards")
def approve_line(city: InCity, asker: SignedIn, line: Mine) -> LineShown:
    """Administrators: the line may reach this machine and closed networks, until its source is changed."""
    keeping.approve_line(city, line.name, asker)
    return _standing(city, line)


@router.put("/{name}", summary="修改专线 · Change a line")
def update_line(city: InCity, asker: SignedIn, line: Mine, body: Annotated[dict[str, Any], Body()]) -> LineShown:
    """Change a line; a password shown as *** stays as it was."""
    changed = with_secrets(Line.from_descriptor({**body, "name": line.name}), line)
    return _standing(city, keeping.save_line(city, changed, asker))


@router.delete("/{name}", status_code=204, summary="删除专线 · Delete a line")
def delete_line(city: InCity, asker: SignedIn, line: Mine) -> None:
    """Take a line away; what it brought stays."""
    keeping.delete_line(city, line.name, asker)


@router.post("/{name}/run", status_code=202, summary="运行专线 · Run a line")
def start_run(city: InCity, asker: SignedIn, line: Mine) -> Queued:
    """Ask for a run in the background; `Conflict` names the run that is under way."""
    keeping.refuse_live(line)
    if is_held(city, line.name):
        running = keeping.runs(city, line=line.name, state="running", limit=1)
        number = running[0].id if running else "?"
        raise Conflict(
            "lines.running",
            Text(zh=f"这条专线正在运行：第 {number} 次", en=f"The line is running: run {number}"),
            Text(zh="等它结束，或看它的进度", en="Wait for it to end, or watch its progress"),
            line.name,
            facts={"run": number},
        )
    with city.db.connection() as conn:
        queued = defer(conn, "lines.run", {"name": line.name, "actor": asker.label}, once=f"line:{line.name}")
    return Queued(line=line.name, queued=queued is not None)


@router.get("/{name}/runs", summary="运行记录 · Runs of a line")
def list_runs(city: InCity, line: Mine, page: Paging, state: str | None = None, before: int | None = None) -> list[Run]:
    """Runs of a line, the newest first."""
    return keeping.runs(city, line=line.name, state=state, before=before, limit=page.limit, offset=page.offset)


@router.get("/{name}/runs.csv", summary="运行记录（CSV）· Runs of a line as CSV")
def export_runs(city: InCity, line: Mine, state: str | None = None) -> StreamingResponse:
    """Runs of a line as CSV, streamed."""

    def pages() -> Iterator[list[Any]]:
        before: int | None = None
        while found := keeping.runs(city, line=line.name, state=state, before=before, limit=CSV_PAGE):
            for run in found:
                cause = (run.cause or {}).get("what", {}).get("zh", "")
                yield [run.id, run.state.value, run.started.isoformat(), run.ended.isoformat() if run.ended else "", run.seconds or "",
                       run.read, run.inserted, run.updated, run.unchanged, run.collapsed, run.quarantined, run.snapshot or "", cause]  # fmt: skip
            before = found[-1].id

    head = ["run", "state", "started", "ended", "seconds", "read", "inserted", "updated", "unchanged", "collapsed", "quarantined",
            "snapshot", "cause"]  # fmt: skip
    return csv_answer(f"{line.name}-runs.csv", head, pages)


@router.get("/{name}/quarantine", summary="隔离区 · Quarantine of a line")
def list_rows(
    city: InCity,
    line: Mine,
    page: Paging,
    state: str | None = None,
    rule: str | None = None,
    run: int | None = None,
    after: Annotated[int, Query(ge=0, description="从这一行之后 · rows after this one")] = 0,
) -> RowsShown:
    """Quarantined rows of a line with their reasons."""
    rows = list_quarantine(
        city, line=line.name, state=state, rule=rule, run=run, after=after, limit=page.limit, offset=page.offset
    )
    return RowsShown(count=count_quarantine(city, line=line.name, state=state, rule=rule, run=run), rows=rows)


@router.get("/{name}/quarantine.csv", summary="隔离区（CSV）· Quarantine as CSV")
def export_rows(city: InCity, line: Mine, lang: Language, state: str | None = None, rule: str | None = None) -> StreamingResponse:
    """Quarantined rows as CSV, streamed: number, place, faults, the row as it came."""

    def pages() -> Iterator[list[Any]]:
        after = 0
        while found := list_quarantine(city, line=line.name, state=state, rule=rule, after=after, limit=CSV_PAGE):
            for row in found:
                faults = "; ".join(f"{fault.item}: {fault.explanation.in_(lang)}" for fault in row.faults)
                place = " ".join(f"{kind} {at}" for kind, at in row.place.items())
                yield [row.id, row.run, row.unit, place, row.state.value, faults, json.dumps(row.raw, ensure_ascii=False)]
            after = found[-1].id

    return csv_answer(f"{line.name}-quarantine.csv", ["row", "run", "unit", "place", "state", "faults", "raw"], pages)


@router.post("/{name}/replay", summary="重放已修改的行 · Replay mended rows")
def replay_rows(city: InCity, asker: SignedIn, line: Mine) -> Counts:
    """Check the mended rows again and write those that pass."""
    return replay(city, line.name, asker)


routers = (router, watch_router, live_router)
