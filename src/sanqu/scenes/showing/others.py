"""Components that show what other rooms keep: an indicator, cases, alarms, a form that begins a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sanqu.cases.history import list_cases
from sanqu.ground.i18n import say
from sanqu.indicators.keeping import figures_of, find_indicator, targets_of
from sanqu.indicators.monitor import chart_of, watched
from sanqu.scenes.rules import list_alarms, may_see_alarms
from sanqu.scenes.showing.asking import Reader
from sanqu.scenes.writing.page import Block

MOST = 10


def _indicator(reader: Reader, block: Block) -> dict[str, Any]:
    """An indicator with its path to the target; raises `NotFound`."""
    code = str(block.options["code"])
    indicator = find_indicator(reader.city, code)
    seen = watched(indicator, figures_of(reader.city, [code])[code], targets_of(reader.city, [code])[code])
    words = {name: say(f"indicators.{name}", reader.lang) for name in ("figure", "path", "target")}
    newest = max(seen.figures, default=None)
    return {
        "indicator": indicator, "outlook": seen.outlook, "period": newest, "value": seen.figures[newest].value if newest else None, "last": max(seen.targets, default=None),
        "targets": seen.targets, "option": chart_of(seen, reader.lang, words), "height": int(block.number("height") or 220),
    }  # fmt: skip


def _cases(reader: Reader, block: Block) -> dict[str, Any]:
    """The newest cases of a process that the reader may know of."""
    if not reader.asker.signed_in:
        return {"cases": None, "total": 0}
    told = block.options
    found, total = list_cases(reader.city, reader.asker, process=told.get("process"), state=told.get("state"), limit=_most(block))
    return {"cases": found, "total": total}


def _alarms(reader: Reader, block: Block) -> dict[str, Any]:
    """The alarms of the scene's rules, open ones first."""
    if not may_see_alarms(reader.city, reader.asker, reader.stage.name):
        return {"alarms": None, "total": 0}
    found, total = list_alarms(reader.city, reader.asker, reader.stage.name, block.options.get("rule"), limit=_most(block))
    return {"alarms": found, "total": total}


def _form(_reader: Reader, block: Block) -> dict[str, Any]:
    """A form that begins a case."""
    return {"fields": block.options.get("fields", ()), "filled": {}, "form_fault": None, "begun": ""}


def _most(block: Block) -> int:
    return max(1, min(100, int(block.number("most") or MOST)))


SHOWN: Mapping[str, Callable[[Reader, Block], dict[str, Any]]] = {"indicator": _indicator, "cases": _cases, "alarms": _alarms, "form": _form}
