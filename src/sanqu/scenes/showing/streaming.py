"""Sends a page as it comes to be: its head and the places of its blocks at once, each block when its answer is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from html import escape

from sanqu.scenes.showing.asking import Asking
from sanqu.scenes.showing.blocks import Drawn, draw, queries_of
from sanqu.scenes.writing.page import Block, Page, Prose

MARK = "<!--blocks-->"
TALL = {"figure": 104, "table": 260, "inputs": 60, "timeline": 200, "cases": 160, "alarms": 160, "form": 200}


@dataclass(frozen=True)
class Place:
    """Where a part of the page will stand, and about how tall it will be."""

    id: str
    component: str
    span: int
    height: int


def places_of(page: Page, lang: str | None = None) -> list[Place]:
    """The places of a page's parts; where its author gave its inputs no place, they come first."""
    return [
        Place(part.id, part.component, part.span, int(part.number("height") or TALL.get(part.component, 300))) if isinstance(part, Block) else Place(part.id, "prose", 12, 0)
        for part in parts_of(page, lang)
    ]  # fmt: skip


def parts_of(page: Page, lang: str | None = None) -> list[Prose | Block]:
    """The parts of a page in their order, for readers of one language."""
    parts = [part for part in page.parts if isinstance(part, Block) or lang is None or part.lang in (None, lang)]
    if page.inputs and not any(isinstance(part, Block) and part.component == "inputs" for part in parts):
        parts.insert(0, Block("page_inputs", "inputs", {}, 1))
    return parts


async def stream(html: str, asking: Asking, told: Mapping[str, str]) -> AsyncIterator[bytes]:
    """The page around its blocks, and the blocks between, in the order in which their answers come."""
    head, _, tail = html.partition(MARK)
    yield head.encode()
    parts = parts_of(asking.reader.page, asking.reader.lang)
    waiting = [asyncio.ensure_future(drawn_later(asking, part, told)) for part in parts]
    try:
        for one in asyncio.as_completed(waiting):
            part, drawn = await one
            yield in_place(part, drawn).encode()
    finally:
        for task in waiting:
            task.cancel()
    yield tail.encode()


async def drawn_later(asking: Asking, part: Prose | Block, told: Mapping[str, str]) -> tuple[Prose | Block, Drawn]:
    """A part, once what it asks is answered: no thread waits meanwhile."""
    names = queries_of(part, asking.reader.page)
    asking.begin(names)
    for name in names:
        await asking.wait(name)
    return part, await asyncio.to_thread(draw, asking, part, told)


def in_place(part: Prose | Block, drawn: Drawn) -> str:
    """A part as the page holds it; it falls into its place by the name of the place."""
    if isinstance(part, Prose):
        return f'<section class="prose" slot="{escape(part.id)}" id="{escape(part.id)}" data-block="{escape(part.id)}" data-snapshot="{drawn.snapshot}">{drawn.html}</section>\n'
    kinds = f"block of-{escape(part.component)} is-{drawn.state}"
    return f'<section class="{kinds}" slot="{escape(part.id)}" id="{escape(part.id)}" data-block="{escape(part.id)}" data-snapshot="{drawn.snapshot}">{drawn.html}</section>\n'
