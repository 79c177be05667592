"""Which door a kind of source is opened by."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha1
from importlib import import_module

from sanqu.lines.sources.units import Opening, Unit

HOW_IT_IS_READ = ("format", "encoding", "delimiter", "header", "sheet", "records", "query", "table")
# Loaded when a line of their kind runs: a city at rest needs none of them.
DOORS = {
    "file": ("files", "units"),
    "url": ("web", "url_units"),
    "api": ("web", "api_units"),
    "sql": ("databases", "units"),
    "ckan": ("web", "ckan_units"),
    "sanqu": ("web", "sanqu_units"),
    "sample": ("files", "sample_units"),
}


def _door(kind: str) -> Callable[[Opening], Iterator[Unit]]:
    module, function = DOORS[kind]
    door: Callable[[Opening], Iterator[Unit]] = getattr(import_module(f"sanqu.lines.sources.{module}"), function)
    return door


def units_of(opening: Opening) -> Iterator[Unit]:
    """The units of the line's source, in order; each is carried before the next is asked for."""
    line = opening.line
    how = {name: getattr(line.source, name) for name in HOW_IT_IS_READ}
    settings = sha1(json.dumps([how, line.columns], sort_keys=True).encode(), usedforsecurity=False).hexdigest()[:8]
    for unit in _door(line.source.kind)(opening):
        # The same bytes read in another way are other rows.
        yield replace(unit, fingerprint=f"{unit.fingerprint}/{settings}")
