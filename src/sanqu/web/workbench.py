"""The steward's workbench: lines and their runs, the quarantine, new datasets, publication; and a dataset's lineage."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from sanqu.catalog.audience import check_steward
from sanqu.catalog.browse import show
from sanqu.catalog.keeping import publish, register_contract
from sanqu.catalog.records import Dataset
from sanqu.catalog.search import Ask, search
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, Refused, SanquError
from sanqu.ground.http import Asking, InCity, Paging, SignedIn, city_of, require_asker
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import defer
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import unit
from sanqu.lake import Contract, lake_of
from sanqu.lines.keeping import (
    NETWORKED,
    approve_line,
    approved_by,
    line_of,
    lines,
    refuse_live,
    refuse_stranger,
    run_of,
    runs,
    save_line,
)
from sanqu.lines.live.watch import watch_lines
from sanqu.lines.quarantine import drop, mend, quarantined
from sanqu.lines.records import Line, Quarantined, Run, RunState
from sanqu.lines.replay import replay
from sanqu.lines.sources.reach import without_password
from sanqu.lines.writing import as_toml, mark_of, with_secrets
from sanqu.web.lineage import origins_of

router = APIRouter(include_in_schema=False)

LAST_RUNS = """
SELECT DISTINCT ON (line) line, id FROM lines_run WHERE line = ANY(%s) ORDER BY line, id DESC
"""
WAITING = "SELECT line, count(*) AS n FROM lines_quarantine WHERE state = 'waiting' GROUP BY line"
QUEUED = "SELECT 1 FROM procrastinate_jobs WHERE queueing_lock = %s AND status = 'todo'"
COUNT_RUNS = "SELECT count(*) AS n FROM lines_run WHERE line = %s"
COUNT_ROWS = """
SELECT count(*) AS n FROM lines_quarantine
WHERE (%(line)s::text IS NULL OR line = %(line)s) AND state = %(state)s AND line = ANY(%(mine)s)
"""
MY_ROWS = """
SELECT id FROM lines_quarantine
WHERE (%(line)s::text IS NULL OR line = %(line)s) AND state = %(state)s AND line = ANY(%(mine)s)
ORDER BY id LIMIT %(limit)s OFFSET %(offset)s
"""
STEWARD_PATHS = """
SELECT d.name, u.path FROM catalog_dataset d JOIN org_unit u ON u.code = d.unit WHERE d.name = ANY(%s)
"""
NEW_LINE = """\
name = "my-line"
title = { zh = "我的专线", en = "My line" }
dataset = "DATASET"
mode = "upsert"            # append, replace
# schedule = "0 2 * * *"   # cron, UTC

[source]
kind = "url"               # file, url, api, sql, ckan, sanqu; live ones: see below
url = "https://example.org/data.csv"
"""
LIVE_SOURCES = {
    "push": 'kind = "push"',
    "mqtt": 'kind = "mqtt"\ntopic = "city/+/air"            # url = "mqtt://broker.example.org" for another broker',
    "nats": 'kind = "nats"\nsubject = "city.air.>"',
    "postgres": 'kind = "postgres"\nurl = "postgresql://user:password@db.example.org/wells"\ntable = "public.wells"',
    "mysql": 'kind = "mysql"\nurl = "mysql://user:password@db.example.org/wells"\ntable = "wells"',
    "tail": 'kind = "tail"\npath = "inbox/air.ndjson"       # or csv\nformat = "ndjson"',
    "feed": 'kind = "feed"\nurl = "https://data.example.org"\ndataset = "air"',
}
LIVE_REST = """\
lane = "livelihood"            # general, digital-industry, governance, finance

# Before [source]; what the source gives, where steps make something else of it.
input = [{ name = "station", type = "string" }, { name = "pm25", type = "number" }, { name = "at", type = "datetime" }]

[[steps]]
name = "means"
time = "at"
window = "PT1M"
delay = "PT10S"
sql = "SELECT station, window_start AS at, avg(pm25) AS pm25 FROM input GROUP BY ALL"
"""
NEW_DATASET = """\
name = "my-dataset"
title = { zh = "我的数据集", en = "My dataset" }
description = { zh = "一两句话说明里面是什么", en = "A sentence or two on what it holds" }
steward = "UNIT"
grade = "L1"                   # L1 … L4
sharing = "unconditional"      # conditional, none
opening = "unconditional"      # restricted, none
freshness = "P1D"
primaryKey = ["id"]

[[fields]]
name = "id"
type = "integer"
title = { zh = "编号", en = "Number" }
constraints = { required = true }

[[fields]]
name = "value"
type = "number"
title = { zh = "数值", en = "Value" }
"""


def refuse_others(asker: Asker) -> None:
    """Raises `Refused` for whoever is no staff."""
    if not asker.is_staff:
        raise Refused(
            "workbench.staff",
            Text(zh="工作台只对工作人员开放", en="The workbench is for staff"),
            Text(zh="请管理员给您一个角色", en="Ask an administrator for a role"),
        )


def _mine(city: City, asker: Asker, found: list[Line]) -> list[Line]:
    """The lines whose dataset the asker answers for."""
    if asker.is_admin:
        return found
    rows = city.db.all(STEWARD_PATHS, ([line.dataset for line in found],))
    held = {str(row["name"]) for row in rows if asker.may_steward(str(row["path"]))}
    return [line for line in found if line.dataset in held]


def _with_last_runs(city: City, found: list[Line]) -> list[tuple[Line, Run | None, int]]:
    last = {str(r["line"]): int(r["id"]) for r in city.db.all(LAST_RUNS, ([line.name for line in found],))}
    waiting = {str(r["line"]): int(r["n"]) for r in city.db.all(WAITING)}
    return [(line, run_of(city, last[line.name]) if line.name in last else None, waiting.get(line.name, 0)) for line in found]


def _drafts(city: City, asker: Asker) -> list[Dataset]:
    found = search(city, Ask("", {"state": ["draft"]}, limit=200, facets=()), asker)
    return [hit.dataset for hit in found.hits]


@router.get("/workbench")
def workbench(request: Request, city: InCity, asker: SignedIn, q: str = "", dataset: str = "") -> HTMLResponse:
    """What the asker answers for."""
    refuse_others(asker)
    found = _mine(city, asker, lines(city, dataset=dataset or None))
    if q:
        found = [line for line in found if q.lower() in f"{line.name} {line.dataset} {line.title.zh} {line.title.en}".lower()]
    shown = _with_last_runs(city, found)
    return render(
        request, "web/workbench.html", lines=shown, q=q, drafts=_drafts(city, asker), waiting=sum(bad for _, _, bad in shown),
        failed=sum(run is not None and run.state == RunState.FAILED for _, run, _ in shown),
        states={one.line.name: one.state for one in watch_lines(city, asker)} if any(line.live for line in found) else {},
    )  # fmt: skip


@router.get("/workbench/lines/{name}")
def line_page(request: Request, city: InCity, asker: SignedIn, page: Paging, name: str) -> Response:
    """One line: its source, its runs, what failed and why."""
    line = line_of(city, name)
    refuse_stranger(city, line.dataset, asker)
    if line.live:
        return RedirectResponse(f"/live/{name}", 303)
    shown = runs(city, line=name, limit=page.limit, offset=page.offset)
    counted = city.db.one(COUNT_RUNS, (name,))
    oldest_first = shown[:30][::-1]
    chart = {
        "legend": {},
        "xAxis": {"type": "category", "data": [run.started.strftime("%m-%d %H:%M") for run in oldest_first]},
        "yAxis": {"type": "value"},
        "series": [
            {"name": "✓", "type": "bar", "stack": "rows", "data": [run.inserted + run.updated for run in oldest_first]},
            {"name": "✗", "type": "bar", "stack": "rows", "data": [run.quarantined for run in oldest_first]},
        ],
    }
    waiting = {str(r["line"]): int(r["n"]) for r in city.db.all(WAITING)}.get(name, 0)
    return render(
        request, "web/line.html", line=line, runs=shown, total=int(counted["n"]) if counted else 0, page=page, waiting=waiting,
        address=without_password(line.source.url).partition("?")[0], reaches=line.source.kind in NETWORKED, approved=approved_by(city, name), queued=city.db.one(QUEUED, (f"line:{name}",)) is not None,
        running=next((run for run in shown if run.state == RunState.RUNNING), None), chart=chart if len(shown) > 1 else None,
    )  # fmt: skip


@router.post("/workbench/lines/{name}/run")
def start(city: InCity, asker: SignedIn, name: str) -> Response:
    """Ask for a run in the background."""
    line = line_of(city, name)
    refuse_stranger(city, line.dataset, asker)
    refuse_live(line)
    with city.db.connection() as conn:
        defer(conn, "lines.run", {"name": name, "actor": asker.label}, once=f"line:{name}")
    return RedirectResponse(f"/workbench/lines/{name}", 303)


@router.post("/workbench/lines/{name}/approve")
def approve(city: InCity, asker: SignedIn, name: str) -> Response:
    """Let the line reach what is shut to stewards."""
    approve_line(city, name, asker)
    return RedirectResponse(f"/workbench/lines/{name}", 303)


@router.get("/workbench/runs/{number}/live")
def live(request: Request, asker: SignedIn, number: int) -> Response:
    """How far a run is, as server-sent events; from the bus, with a look at the record in case a message was missed."""
    city = city_of(request)
    refuse_stranger(city, run_of(city, number).dataset, asker)
    return StreamingResponse(_follow(city, number), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _follow(city: City, number: int) -> AsyncIterator[str]:
    while True:
        run = await asyncio.to_thread(run_of, city, number)
        said = {"fraction": run.progress, "text": f"{run.progress:.0%} · {run.read:,}", "done": run.state != RunState.RUNNING}
        yield f"data: {json.dumps(said)}\n\n"
        if run.state != RunState.RUNNING:
            return
        await asyncio.sleep(0.5)


@router.get("/workbench/quarantine")
def quarantine(
    request: Request,
    city: InCity,
    asker: SignedIn,
    page: Paging,
    line: str = "",
    state: str = "waiting",
    replayed: int | None = None,
) -> HTMLResponse:
    """Rows that did not fit, with each bad value and the rule it broke."""
    refuse_others(asker)
    mine = [found.name for found in _mine(city, asker, lines(city))]
    wanted = {"mine": mine, "line": line or None, "state": state, "limit": page.limit, "offset": page.offset}
    counted = city.db.one(COUNT_ROWS, wanted)
    rows = [quarantined(city, int(row["id"])) for row in city.db.all(MY_ROWS, wanted)]
    return render(
        request, "web/quarantine.html", order=_item_order(city, rows), rows=rows, line=line, state=state, names=mine, page=page, replayed=replayed,
        total=int(counted["n"]) if counted else 0,
    )  # fmt: skip


def _item_order(city: City, rows: list[Quarantined]) -> dict[str, tuple[str, ...]]:
    """The items of each dataset in the order of its contract; PostgreSQL keeps a row's JSON in an order of its own."""
    return {name: lake_of(city).contract(name).names for name in {row.dataset for row in rows}}


@router.post("/workbench/quarantine/{number}/mend")
async def mend_row(request: Request, number: int) -> Response:
    """Keep what the steward wrote into the fields of the row."""
    form = await request.form()
    asker = await asyncio.to_thread(require_asker, request)
    values = {name.removeprefix("item."): str(value) for name, value in form.items() if name.startswith("item.")}
    row = await asyncio.to_thread(mend, city_of(request), number, values, asker)
    return RedirectResponse(f"/workbench/quarantine?line={row.line}&state=mended", 303)


@router.post("/workbench/quarantine/{number}/drop")
def drop_row(city: InCity, asker: SignedIn, number: int) -> Response:
    """Give the row up."""
    row = drop(city, number, asker)
    return RedirectResponse(f"/workbench/quarantine?line={row.line}", 303)


@router.post("/workbench/lines/{name}/replay")
def replay_rows(city: InCity, asker: SignedIn, name: str) -> Response:
    """Carry the mended rows into the dataset, through the same checks."""
    counts = replay(city, name, asker)
    return RedirectResponse(f"/workbench/quarantine?line={name}&replayed={counts.written}", 303)


@router.get("/workbench/new-line")
def new_line_form(request: Request, asker: SignedIn) -> HTMLResponse:
    """The form for a line."""
    refuse_others(asker)
    return _form(request, "web.wb_new_line", "web.wb_new_line_lead", NEW_LINE, None)


@router.post("/workbench/new-line")
def new_line(request: Request, city: InCity, asker: SignedIn, text: Annotated[str, Form()]) -> Response:
    """Save a line written as TOML; what is wrong with it is said beside the text."""
    try:
        line = save_line(city, Line.from_toml(text), asker, new=True)
    except SanquError as fault:
        return _form(request, "web.wb_new_line", "web.wb_new_line_lead", text, fault)
    return RedirectResponse(f"/workbench/lines/{line.name}", 303)


@router.get("/workbench/lines/{name}/edit")
def edit_line_form(request: Request, city: InCity, asker: SignedIn, name: str) -> HTMLResponse:
    """The line as it stands, to be changed: source, schedule, steps, all of it; secrets are shown as ***."""
    line = line_of(city, name)
    refuse_stranger(city, line.dataset, asker)
    return _form(request, "web.wb_edit_line", "web.wb_edit_line_lead", as_toml(line), None, mark_of(line))


@router.post("/workbench/lines/{name}/edit")
def edit_line(
    request: Request, city: InCity, asker: SignedIn, name: str, text: Annotated[str, Form()], seen: Annotated[str, Form()] = ""
) -> Response:
    """Save the changed line by the same checks as a new one; what is wrong with it is said beside the text."""
    kept = line_of(city, name)
    refuse_stranger(city, kept.dataset, asker)
    try:
        if seen != mark_of(kept):
            raise _changed_meanwhile(name)
        line = with_secrets(Line.from_toml(text, name), kept)
        if line.name != name:
            raise _renamed(name)
        save_line(city, line, asker)
    except SanquError as fault:
        return _form(request, "web.wb_edit_line", "web.wb_edit_line_lead", text, fault, mark_of(kept))
    return RedirectResponse(f"/workbench/lines/{name}", 303)


def _changed_meanwhile(name: str) -> Conflict:
    return Conflict(
        "lines.changed-meanwhile",
        Text(zh="您打开以后，别人改过这条专线", en="Somebody has changed the line since you opened it"),
        Text(zh="另开一页看现在的样子；再保存一次，就以您的为准", en="See how it stands now on another page; save once more, and yours counts"),
        name,
    )


def _renamed(name: str) -> BadInput:
    return BadInput(
        "lines.renamed",
        Text(zh="专线的名称不能改：它的进度记在这个名称下", en="The name of a line cannot be changed: where it stands is kept under it"),
        Text(zh="保留原名，或另建一条", en="Keep the name, or make another line"),
        name,
    )


@router.get("/workbench/new-dataset")
def new_dataset_form(request: Request, asker: SignedIn) -> HTMLResponse:
    """The form for a contract."""
    refuse_others(asker)
    unit = next(iter(asker.units), "UNIT")
    return _form(request, "web.wb_new_dataset", "web.wb_new_dataset_lead", NEW_DATASET.replace("UNIT", unit), None)


@router.post("/workbench/new-dataset")
def new_dataset(request: Request, city: InCity, asker: SignedIn, text: Annotated[str, Form()]) -> Response:
    """Declare a contract written as TOML; its dataset starts as a draft."""
    try:
        contract = Contract.from_descriptor(_toml(text))
        _refuse_other_steward(city, contract, asker)
        dataset = register_contract(city, contract, asker.label, state="draft")
    except SanquError as fault:
        return _form(request, "web.wb_new_dataset", "web.wb_new_dataset_lead", text, fault)
    return RedirectResponse(f"/datasets/{dataset.name}?tab=items", 303)


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise BadInput(
            "workbench.toml",
            Text(zh=f"TOML 读不懂：{fault}", en=f"The TOML cannot be read: {fault}"),
            Text(zh="改正这一行", en="Mend that line"),
        ) from fault


def _refuse_other_steward(city: City, contract: Contract, asker: Asker) -> None:
    """A steward declares datasets of the own unit and those below it, and does not take over another's."""
    check_steward(asker, unit(city, contract.steward).path, contract.name)
    if lake_of(city).has(contract.name):
        refuse_stranger(city, contract.name, asker)


@router.post("/workbench/datasets/{name}/publish")
def publish_dataset(city: InCity, asker: SignedIn, name: str) -> Response:
    """Publish a draft."""
    publish(city, name, asker)
    return RedirectResponse(f"/datasets/{name}", 303)


@router.get("/datasets/{name}/lineage")
def lineage_part(request: Request, city: InCity, asker: Asking, name: str) -> Response:
    """Where a dataset comes from: sources, lines, and the last run of each."""
    dataset = show(city, name, asker)
    if "HX-Request" not in request.headers:
        # Opened by itself it is a part without its page.
        return RedirectResponse(f"/datasets/{name}?tab=lineage", 303)
    found = _with_last_runs(city, lines(city, dataset=dataset.contract or name))
    nodes, links = [{"name": dataset.name, "depth": 2}], []
    for line, run, _ in found:
        source = f"{line.source.kind}: {line.source.path.rsplit('/', 1)[-1] or line.source.generator or line.source.dataset or line.source.table or line.source.topic or line.source.subject or '…'}"
        weight = max(1, (run.inserted + run.updated + run.unchanged) if run else 1)
        nodes += [{"name": source, "depth": 0}, {"name": f"⇢ {line.name}", "depth": 1}]
        links += [
            {"source": source, "target": f"⇢ {line.name}", "value": weight},
            {"source": f"⇢ {line.name}", "target": dataset.name, "value": weight},
        ]
    unique = list({node["name"]: node for node in nodes}.values())
    flow = {
        "type": "sankey", "data": unique, "links": links, "nodeAlign": "left", "nodeWidth": 10, "left": 8, "right": 8,
        "animation": False, "label": {"fontSize": 12}, "levels": [{"depth": 2, "label": {"position": "left"}}],
        "lineStyle": {"color": "source", "opacity": 0.15},
    }  # fmt: skip
    chart = {"tooltip": {"trigger": "item"}, "series": [flow]}
    return render(
        request, "web/lineage.html", lines=found, chart=chart, source=dataset.source, contract=lake_of(city).contract(dataset.contract) if dataset.contract else None,
        origins=origins_of(city, asker, dataset.contract) if dataset.contract and found else {},
    )  # fmt: skip


def _form(request: Request, title: str, lead: str, text: str, fault: SanquError | None, seen: str = "") -> HTMLResponse:
    status = fault.status if fault else 200
    sources = LIVE_SOURCES if title != "web.wb_new_dataset" else {}
    return render(
        request, "web/new_line.html", status, title=title, lead=lead, text=text, fault=fault, sources=sources, rest=LIVE_REST, seen=seen
    )
