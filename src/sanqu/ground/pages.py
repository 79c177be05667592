"""Renders a room's templates inside the city's layout, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sanqu.ground.http import asker_of, city_of, lang_of
from sanqu.ground.i18n import Text, say

ROOMS = Path(__file__).parent.parent


# What rooms add to every page: a word, and the function that a template calls for it.
_added: dict[str, Callable[[Request], Any]] = {}


def add_to_pages(name: str, function: Callable[[Request], Any]) -> None:
    """Let every template call `name()`; it is worked out only where a template does."""
    _added[name] = function


@cache
def environment() -> Environment:
    """Jinja over every room's `templates` folder; each room keeps its templates in a folder of its own name."""
    folders = sorted(str(folder) for folder in ROOMS.glob("*/templates"))
    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def render(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """The page `template` (such as `catalog/list.html`) for this reader.

    Besides `context`, a template has `request`, `lang`, `asker`, `city`, `_` (words, `_("room.key", n=3)`) and `tr`
    (a `Text` in the reader's language).
    """
    lang = lang_of(request)

    def tr(text: Text | str) -> str:
        return text.in_(lang) if isinstance(text, Text) else text

    added = {name: partial(function, request) for name, function in _added.items()}
    html = (
        environment()
        .get_template(template)
        .render(
            request=request,
            lang=lang,
            asker=asker_of(request),
            city=city_of(request),
            _=partial(_say, lang),
            tr=tr,
            **(added | context),
        )
    )
    return HTMLResponse(html, status)


def _say(lang: Any, key: str, **values: object) -> str:
    return say(key, lang, **values)
