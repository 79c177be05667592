"""The pages of scenes over HTTP: read, live, as a screen, one block of them in another page, as files; and the cockpit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from sanqu.cases.forms import check_result, in_words
from sanqu.cases.start import start_case
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, not_found
from sanqu.ground.http import Asking as Who
from sanqu.ground.http import InCity, Language, SignedIn, asker_of
from sanqu.ground.i18n import Lang, Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import PUBLIC, SYSTEM, Asker
from sanqu.scenes.keeping import Installed
from sanqu.scenes.showing.asking import Asking, Reader, params_of
from sanqu.scenes.showing.blocks import Drawn, address, draw, link, queries_of, render_part
from sanqu.scenes.showing.live import check_room, follow
from sanqu.scenes.showing.stages import check_open, stage_of, stages_of
from sanqu.scenes.showing.streaming import parts_of, places_of, stream
from sanqu.scenes.showing.tables import columns_of, to_csv, to_xlsx
from sanqu.scenes.showing.whence import whence
from sanqu.scenes.testing import on_render
from sanqu.scenes.writing.page import Block, Prose, Screen

router = APIRouter(include_in_schema=False)

OWN = {"Cache-Control": "private, no-cache", "Vary": "Cookie, Accept-Language", "X-Accel-Buffering": "no"}
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# What the page itself hears in its address.
WORDS = frozenset({"lang", "screen", "embed", "why", "block", "export", "format", "at", "cycle", "only"})


def reader_of(city: City, asker: Asker, lang: Lang, name: str, page: str, told: Mapping[str, str]) -> Reader:
    """Who reads which page with which inputs; raises `NotFound`, `Refused`, `BadInput`."""
    stage = stage_of(city, name)
    found = stage.page(page)
    check_open(asker, found)
    return Reader(city, asker, stage, found, lang, params_of(found, told))


@router.get("/cockpit")
def cockpit(request: Request, city: InCity, asker: Who) -> Response:
    """The first screen that the reader may see; each leads to the next."""
    screens = _screens(city, asker)
    if not screens:
        return render(request, "scenes/no_screens.html")
    return RedirectResponse(screens[0], 303)


def _screens(city: City, asker: Asker, scene: str | None = None) -> list[str]:
    """The addresses of the screens that the asker may see: of one scene, or of all."""
    cycle = "&cycle=city" if scene is None else ""
    return [
        f"/scenes/{quote(stage.name)}/{quote(page.name)}?screen=1{cycle}"
        for stage in stages_of(city) if scene in (None, stage.name) for page in stage.pages_for(asker) if page.screens
    ]  # fmt: skip


@router.get("/scenes/{name}/{page}/live")
async def live(
    request: Request, city: InCity, lang: Language, name: str, page: str, at: Annotated[int, Query(ge=0)] = 0, last_event_id: Annotated[str, Header()] = "",
) -> StreamingResponse:  # fmt: skip
    """The page's blocks as their data change, as server-sent events."""
    asker = await asyncio.to_thread(asker_of, request)
    told = dict(request.query_params)
    reader = await asyncio.to_thread(reader_of, city, asker, lang, name, page, told)
    check_room(city)
    start = int(last_event_id) if last_event_id.isdecimal() else at
    return StreamingResponse(follow(reader, told, start), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


@router.get("/scenes/{name}/{page}")
def show(request: Request, city: InCity, asker: Who, lang: Language, name: str, page: str) -> Response:
    """A page; with `screen`, as a screen; with `block`, `embed`, `why` or `export`, one block of it."""
    told = dict(request.query_params)
    reader = reader_of(city, asker, lang, name, page, told)
    asking = Asking(reader)
    for word, answer in ONE_BLOCK.items():
        if word in told:
            found: Response = answer(request, asking, _block(reader, told[word]), told)
            return found
    if told.get("screen"):
        return _screen(request, asking, told)
    return StreamingResponse(_streamed(request, asking, told), media_type="text/html; charset=utf-8", headers=OWN)


def _streamed(request: Request, asking: Asking, told: Mapping[str, str]) -> AsyncIterator[bytes]:
    reader = asking.reader
    # Asked before anything is sent: whoever answers works while the head is on its way.
    asking.begin(dict.fromkeys(query for part in parts_of(reader.page, reader.lang) for query in queries_of(part, reader.page)))
    html = render(
        request, "scenes/page.html", page=reader.page, stage=reader.stage, parts=places_of(reader.page, reader.lang), others=reader.stage.pages_for(reader.asker),
        link=lambda said=None, **changed: link(reader, said, **changed), told=_tables(told), live=_live(reader, told), now=now().astimezone().strftime("%Y-%m-%d %H:%M"),
    )  # fmt: skip
    return stream(bytes(html.body).decode(), asking, told)


def _tables(told: Mapping[str, str]) -> dict[str, str]:
    """How the tables are looked at."""
    return {key: value for key, value in told.items() if "." in key}


def _live(reader: Reader, told: Mapping[str, str]) -> str:
    path, _, query = link(reader, _tables(told), lang=reader.lang).partition("?")
    return f"{path}/live?{query}"


def _block(reader: Reader, id_: str) -> Block:
    found = next((part for part in parts_of(reader.page) if isinstance(part, Block) and part.id == id_), None)
    if found is None:
        raise not_found(Text(zh="块", en="block"), id_[:60])
    return found


def _fragment(_request: Request, asking: Asking, block: Block, told: Mapping[str, str]) -> Response:
    """The inside of one block, as the page puts it in its place."""
    drawn = draw(asking, block, told)
    return Response(drawn.html, media_type="text/html; charset=utf-8", headers=OWN | {"X-Sanqu-Snapshot": str(drawn.snapshot), "X-Sanqu-State": drawn.state})


def _embed(request: Request, asking: Asking, block: Block, told: Mapping[str, str]) -> Response:
    """One block as a page of its own, for a frame in a page of an allowed site."""
    reader = asking.reader
    page = render(
        request, "scenes/embed.html", page=reader.page, stage=reader.stage, block=block, drawn=draw(asking, block, told), live=_live(reader, told), here=address(reader),
    )  # fmt: skip
    allowed = " ".join(["'self'", *(one for one in reader.city.settings.embed_origins.replace(",", " ").split() if one)])
    page.headers["Content-Security-Policy"] = f"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'; frame-ancestors {allowed}"
    return page


def _why(request: Request, asking: Asking, block: Block, told: Mapping[str, str]) -> Response:
    """Where a block comes from, as JSON; as a page for a browser that was led here without scripts."""
    reader = asking.reader
    if block.query not in reader.page.queries:
        raise not_found(Text(zh="查询", en="query"), block.id)
    said = whence(reader, block, asking.outcome(block.query))
    if "text/html" not in request.headers.get("accept", "") or told.get("format") == "json":
        return JSONResponse(said, headers=OWN)
    inside = render_part("scenes/whence.html", reader, said=said, title=block.words("title").in_(reader.lang), json=link(reader, why=block.id, format="json"))
    if told.get("format") == "part":
        return Response(inside, media_type="text/html; charset=utf-8", headers=OWN)
    return render(request, "scenes/whence_page.html", page=reader.page, inside=inside, back=link(reader))


def _export(_request: Request, asking: Asking, block: Block, told: Mapping[str, str]) -> Response:
    """The rows behind a block as a file; of a table, those that the reader chose, in their order."""
    reader = asking.reader
    if block.query not in reader.page.queries:
        raise not_found(Text(zh="查询", en="query"), block.id)
    outcome = asking.outcome(block.query)
    if outcome.fault is not None:
        raise outcome.fault
    titles = block.options.get("heads") or {}
    heads = [titles[name].in_(reader.lang) if name in titles else name for name in columns_of(block, outcome)]
    kind = "xlsx" if told.get("format") == "xlsx" else "csv"
    body = to_xlsx(block, outcome, told, heads) if kind == "xlsx" else ("\ufeff" + to_csv(block, outcome, told, heads)).encode()
    named = f'attachment; filename="{reader.stage.name}-{reader.page.name}-{block.id}.{kind}"'
    return Response(body, media_type=XLSX if kind == "xlsx" else "text/csv; charset=utf-8", headers=OWN | {"Content-Disposition": named})


ONE_BLOCK: Mapping[str, Any] = {"block": _fragment, "embed": _embed, "why": _why, "export": _export}


def _screen(request: Request, asking: Asking, told: Mapping[str, str]) -> Response:
    """The screens of a page; each stands for its seconds, then the next, then the next page's."""
    reader = asking.reader
    screens = reader.page.screens or (_arranged(reader),)
    blocks = reader.page.blocks
    wanted = [blocks[id_] for id_ in dict.fromkeys(id_ for screen in screens for id_ in screen.blocks) if id_ in blocks]
    asking.begin(dict.fromkeys(query for block in wanted for query in queries_of(block, reader.page)))
    drawn = {block.id: draw(asking, block, told) for block in wanted}
    after = _screens(reader.city, reader.asker, None if told.get("cycle") == "city" else reader.stage.name)
    here = next((place for place, one in enumerate(after) if one.startswith(f"{address(reader)}?")), -1)
    following = after[(here + 1) % len(after)] if len(after) > 1 else ""
    number = told.get("only", "")
    shown = screens if not number.isdecimal() else screens[max(0, min(len(screens), int(number)) - 1) :][:1]
    page = render(
        request, "scenes/screen.html", page=reader.page, stage=reader.stage, screens=shown, drawn=drawn, next=following, only=number, live=_live(reader, told), here=address(reader),
    )  # fmt: skip
    page.headers.update(OWN)
    return page


def _arranged(reader: Reader) -> Screen:
    """A screen for a page whose author arranged none: figures above, charts below."""
    blocks = [block for block in reader.page.blocks.values() if block.kind is not None and block.component not in ("inputs", "form")]
    figures = [block.id for block in blocks if block.component == "figure"][:6]
    charts = [block.id for block in blocks if block.component != "figure"][:6]
    width = 12
    above = [" ".join(id_ for id_ in figures for _ in range(width // len(figures)))] if figures else []
    across = 3 if len(charts) > 4 else 2 if len(charts) > 1 else 1
    rows = [charts[start : start + across] for start in range(0, len(charts), across)]
    below = [" ".join((row + [row[-1]] * (across - len(row)))[place // (width // across)] for place in range(width)) for row in rows]
    above = [" ".join((above[0].split() + ["."] * width)[:width])] if above else []
    return Screen(tuple(above + below) or (".",), rows=("minmax(0, 1fr) " if above else "") + "minmax(0, 2fr) " * len(below))


@router.post("/scenes/{name}/{page}/{block_id}")
async def begin(request: Request, city: InCity, asker: SignedIn, lang: Language, name: str, page: str, block_id: str) -> Response:
    """Begin the case of a form; what does not fit is said beside its field."""
    given = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
    return await asyncio.to_thread(_begin, request, city, asker, lang, name, page, block_id, given)


def _begin(request: Request, city: City, asker: Asker, lang: Lang, name: str, page: str, block_id: str, given: dict[str, str]) -> Response:
    reader = reader_of(city, asker, lang, name, page, {})
    block = _block(reader, block_id)
    if block.component != "form" or any(fault.serious for fault in block.faults):
        raise not_found(Text(zh="表单", en="form"), block_id[:60])
    fields = block.options["fields"]
    try:
        data = check_result(fields, given, {}, f"{name}/{page}/{block.id}")
        title = block.words("title") if block.words("title").zh else Text(zh=block.options["process"])
        subject = str(block.options.get("about", f"scene:{name}"))
        case = start_case(city, asker, block.options["process"], title, subject, block.options.get("unit"), {**data, "said": in_words(fields, data)})
    except BadInput as fault:
        inside = render_part("scenes/block.html", reader, block=block, state="shown", title=block.words("title"), note=Text(), unit="", outcome=None, faults=[], fault=None, wishes=(), closed=(), fields=fields, filled=given, form_fault=fault, begun="")
        return render(request, "scenes/whence_page.html", 422, page=reader.page, inside=inside, back=address(reader))
    return RedirectResponse(f"/cases/{case.number}", 303)


def words_of(city: City, one: Installed, page: str) -> str:
    """The HTML of a page's parts as the public reads it, for the expectations of a scene; raises what is wrong with a block."""
    reader = Reader(city, PUBLIC, stage_of(city, one.name), stage_of(city, one.name).page(page), "zh", {})
    reader = Reader(city, _audience(reader), reader.stage, reader.page, "zh", params_of(reader.page, {}))
    asking = Asking(reader)
    found = [(part, draw(asking, part, {})) for part in parts_of(reader.page, "zh")]
    for part, drawn in found:
        _check_drawn(reader, part, drawn)
    return "\n".join(drawn.html for _part, drawn in found)


def _audience(reader: Reader) -> Asker:
    """Who a page is proved for: the public where it may, else the city itself."""
    return PUBLIC if reader.page.audience == "public" else SYSTEM


def _check_drawn(reader: Reader, part: Prose | Block, drawn: Drawn) -> None:
    if drawn.state in ("broken", "failed", "refused"):
        raise BadInput(
            "scenes.block", Text(zh=f"块 {part.id}（第 {part.line} 行）没有画出来：{drawn.state}", en=f"The block {part.id} (line {part.line}) is not drawn: {drawn.state}"),
            Text(zh="打开这一页看原因", en="Open the page to see why"), f"{reader.stage.name}/{reader.page.name}",
        )  # fmt: skip


on_render(words_of)
