"""Prose of a page: Markdown without HTML of its own, with `{{ query.column }}` for a value of a query's first row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from html import escape

from markdown_it import MarkdownIt

from sanqu.scenes.writing.page import Page, Prose

PLACE = re.compile(r"\{\{[ \t]*([a-z][a-z0-9_]{0,39})\.([^\s{}|]{1,60})[ \t]*(?:\|[ \t]*(\d))?[ \t]*\}\}")
# Letters of the private area stand for a value while the Markdown is read; a text that holds them already loses them.
OPEN, CLOSE = "\ue000", "\ue001"


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False}).enable("table")


def places_in(page: Page) -> Iterator[tuple[str, str, int]]:
    """Each value that prose shows: its query, its column, the line of the paragraph."""
    for part in page.parts:
        if isinstance(part, Prose):
            for found in PLACE.finditer(part.text):
                yield found[1], found[2], part.line + part.text.count("\n", 0, found.start())


def queries_in(prose: Prose) -> list[str]:
    """The queries whose values a piece of prose shows."""
    return list(dict.fromkeys(found[1] for found in PLACE.finditer(prose.text)))


def render_prose(text: str, value_of: Callable[[str, str, int | None], str]) -> str:
    """Prose as HTML; `value_of(query, column, digits)` gives the text of a value, which is escaped here."""
    values: list[str] = []

    def keep(found: re.Match[str]) -> str:
        values.append(value_of(found[1], found[2], int(found[3]) if found[3] else None))
        return f"{OPEN}{len(values) - 1}{CLOSE}"

    cleaned = text.replace(OPEN, "\ufffd").replace(CLOSE, "\ufffd")
    html = str(_markdown().render(PLACE.sub(keep, cleaned)))
    return re.sub(f"{OPEN}(\\d+){CLOSE}", lambda found: escape(values[int(found[1])]), html)
