"""Which door a kind of source is opened by."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sanqu.lines.sources import databases, files, web
from sanqu.lines.sources.units import Opening, Unit

DOORS: dict[str, Callable[[Opening], Iterator[Unit]]] = {
    "file": files.units,
    "url": web.url_units,
    "api": web.api_units,
    "sql": databases.units,
    "ckan": web.ckan_units,
    "sanqu": web.sanqu_units,
    "sample": files.sample_units,
}


def units_of(opening: Opening) -> Iterator[Unit]:
    """The units of the line's source, in order; each is carried before the next is asked for."""
    return DOORS[opening.line.source.kind](opening)
