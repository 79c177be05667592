"""Blocks as HTML: what a component shows, or why it shows nothing; the rest of the page stands either way."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from urllib.parse import quote, urlencode

from markupsafe import Markup, escape

from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.errors import NotFound, Refused, SanquError
from sanqu.ground.i18n import Text, say
from sanqu.ground.pages import environment
from sanqu.scenes.showing import charts, others
from sanqu.scenes.showing.asking import Asking, Outcome, Reader, stands
from sanqu.scenes.showing.tables import columns_of, show_table
from sanqu.scenes.showing.values import number_of, plain, shown
from sanqu.scenes.writing.checking import missing_columns
from sanqu.scenes.writing.page import Block, Page, Prose
from sanqu.scenes.writing.prose import queries_in, render_prose

log = logging.getLogger(__name__)

MOMENT = re.compile(r"\b\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)?\b")

State = Literal["shown", "empty", "refused", "failed", "broken"]


@dataclass(frozen=True)
class Drawn:
    """A block as HTML, how it came out, and the newest snapshot in it."""

    id: str
    html: str
    state: State
    snapshot: int = 0


def queries_of(part: Prose | Block, page: Page) -> list[str]:
    """The queries that a part of a page needs."""
    if isinstance(part, Prose):
        return [name for name in queries_in(part) if name in page.queries]
    if part.component == "inputs":
        return [one.query for one in page.inputs if one.query in page.queries]
    return [part.query] if part.query in page.queries else []


def draw(asking: Asking, part: Prose | Block, told: Mapping[str, str]) -> Drawn:
    """A part of the page for its reader; never raises what a reader could not mend."""
    reader = asking.reader
    if isinstance(part, Prose):
        return _draw_prose(asking, part)
    try:
        return _draw_block(asking, part, told)
    except SanquError as fault:
        return _failed(reader, part, fault, None)
    except Exception:
        # One block that cannot be drawn takes no page with it.
        log.warning("block %s of %s/%s cannot be drawn", part.id, reader.stage.name, reader.page.name, exc_info=True)
        return _said(reader, part, "broken", faults=[Text(zh="这个块画不出来，详情在日志里", en="This block cannot be drawn; the log has the details")])


def _draw_prose(asking: Asking, part: Prose) -> Drawn:
    reader, newest = asking.reader, 0

    def value_of(query: str, column: str, digits: int | None) -> str:
        nonlocal newest
        if query not in reader.page.queries:
            return "—"
        outcome = asking.outcome(query)
        newest = max(newest, outcome.snapshot)
        return shown(outcome.rows[0].get(column) if outcome.rows else None, reader.lang, digits)

    return Drawn(part.id, render_prose(part.text, value_of), "shown", newest)


def _draw_block(asking: Asking, block: Block, told: Mapping[str, str]) -> Drawn:
    reader, kind = asking.reader, block.kind
    faults = [fault.what for fault in block.faults if fault.serious]
    if kind is None or faults:
        return _said(reader, block, "broken", faults=faults)
    if not kind.asks:
        return _draw_other(asking, block, told)
    if block.query not in reader.page.queries:
        return _said(reader, block, "broken", faults=[Text(zh=f"没有查询 {block.query}", en=f"There is no query {block.query}")])
    outcome = asking.outcome(block.query)
    if outcome.fault is not None:
        return _failed(reader, block, outcome.fault, outcome)
    missing = missing_columns(block, outcome.columns)
    if missing:
        return _said(reader, block, "broken", faults=[Text(zh=f"查询 {block.query} 没有列 {name}", en=f"The query {block.query} gives no column {name}") for name in missing])
    if not outcome.rows:
        return _said(reader, block, "empty", outcome)
    context = _chart(reader, block, outcome) if block.component in charts.DRAWN else MADE[block.component](reader, block, outcome, told)
    return _said(reader, block, "shown", outcome, **context)


def _failed(reader: Reader, block: Block, fault: SanquError, outcome: Outcome | None) -> Drawn:
    # Of data that the public may not know of, the door says that there are none: who signs in may see them.
    hidden = isinstance(fault, NotFound) and not reader.asker.signed_in
    if not isinstance(fault, Refused) and not hidden:
        return _said(reader, block, "failed", outcome, fault=fault)
    wishes = outcome.decision.wishes if outcome is not None and outcome.decision is not None else ()
    closed = outcome.decision.closed if outcome is not None and outcome.decision is not None else ()
    return _said(reader, block, "refused", outcome, fault=fault, wishes=wishes, closed=closed)


def _said(reader: Reader, block: Block, state: State, outcome: Outcome | None = None, **context: Any) -> Drawn:
    # The unit of a form is an office, not a measure.
    unit = "" if block.component == "form" else block.words("unit").in_(reader.lang)
    html = render_part(
        "scenes/block.html", reader, block=block, state=state, title=block.words("title"), note=block.words("note"), unit=unit,
        outcome=outcome, **{"faults": [], "fault": None, "wishes": (), "closed": (), **context},
    )  # fmt: skip
    return Drawn(block.id, html, state, outcome.snapshot if outcome is not None else 0)


def render_part(template: str, reader: Reader, **context: Any) -> str:
    """A template for a part of a page, without the layout and without a request."""
    lang = reader.lang
    return environment().get_template(template).render(
        lang=lang, asker=reader.asker, reader=reader, page=reader.page, stage=reader.stage, _=lambda key, **values: say(key, lang, **values),
        tr=lambda text: text.in_(lang) if isinstance(text, Text) else text, shown=partial(_shown, lang), here=address(reader), link=partial(link, reader), whole_dates=whole_dates, zone=CITY_ZONE, **context,
    )  # fmt: skip


def whole_dates(text: str) -> Markup:
    """The text with its days and moments, which are not broken at the end of a line."""
    return Markup(MOMENT.sub(r'<span class="whole">\g<0></span>', str(escape(text))))


def _shown(lang: Any, value: Any, digits: float | None = None) -> str:
    return shown(value, lang, None if digits is None else int(digits))


def address(reader: Reader) -> str:
    """The address of the page."""
    return f"/scenes/{quote(reader.stage.name)}/{quote(reader.page.name)}"


def link(reader: Reader, told: Mapping[str, str] | None = None, **changed: Any) -> str:
    """The address of the page with its inputs, and what else is told."""
    said = {name: str(value) for name, value in reader.params.items() if value not in (None, "")}
    said |= {key: str(value) for key, value in (told or {}).items() if value not in (None, "")} | {key: str(value) for key, value in changed.items() if value not in (None, "")}
    return address(reader) + (f"?{urlencode(said)}" if said else "")


def _chart(reader: Reader, block: Block, outcome: Outcome) -> dict[str, Any]:
    option = charts.chart_of(block, outcome.rows, reader.lang)
    if option.get("map", {}).get("name") == "city":
        _name_regions(option, outcome.english)
    return {"option": option, "cut": len(outcome.rows) > charts.MOST_POINTS, "height": _height(block), "table": _spoken(reader, block, outcome), "kinds": charts.kinds_of(block, outcome.rows)}


def _name_regions(option: charts.Option, names: Mapping[str, str]) -> None:
    """The shapes of the city's map carry Chinese names; a reader of English sees those of the units, as in the rows."""
    for place in (option.get("geo"), *option["series"]):
        if names and place and place.get("map") == "city":
            place["nameMap"] = dict(names)


def _height(block: Block) -> int:
    tall = {"map": 380, "graph": 380, "sankey": 360, "radar": 320, "heat": 340, "gauge": 230}
    return int(max(120, min(1200, block.number("height") or tall.get(block.component, 280))))


def _spoken(reader: Reader, block: Block, outcome: Outcome) -> dict[str, Any]:
    """The rows of a chart as a table, for who does not see it or has no scripts; outlines say nothing in words."""
    columns = [name for name in columns_of(block, outcome) if name != block.options.get("shape")]
    return {"columns": columns, "heads": _heads(reader, columns, block.options.get("names")), "rows": outcome.rows[:100], "more": len(outcome.rows) > 100}


def _heads(reader: Reader, columns: Iterable[str], said: Mapping[str, Text] | None) -> dict[str, str]:
    """What columns are called: as the page says, else as the contracts call an item of that name."""
    return {name: ((said or {}).get(name) or reader.stage.heads.get(name) or Text(zh=name, en=name)).in_(reader.lang) for name in columns}


def _figure(reader: Reader, block: Block, outcome: Outcome, _told: Mapping[str, str]) -> dict[str, Any]:
    rows, first = outcome.rows, outcome.rows[0]
    value, before = first[block.options["value"]], first.get(block.options.get("compare", ""))
    now, then = number_of(value), number_of(before)
    change = (now - then) / abs(then) * 100 if now is not None and then else None
    spark = [number_of(row[block.options["spark"]]) for row in rows] if block.options.get("spark") else []
    good = block.options.get("good", "up")
    tone = "" if change is None or good == "none" or abs(change) < 0.05 else "good" if (change > 0) == (good == "up") else "bad"
    return {
        "value": plain(value), "change": change, "tone": tone, "spark": charts.spark_of(spark) if len(spark) > 1 else None,
        "label": first.get(block.options.get("label", "")), "target": first.get(block.options.get("target", "")),
    }  # fmt: skip


def _table(reader: Reader, block: Block, outcome: Outcome, told: Mapping[str, str]) -> dict[str, Any]:
    links = {column: str(text.zh) for column, text in (block.options.get("links") or {}).items()}
    table = show_table(block, outcome, told)
    return {
        "rows": table, "heads": _heads(reader, table.columns, block.options.get("heads")), "most_more": outcome.answer is not None and outcome.answer.more,
        "kept": {key: value for key, value in told.items() if key.startswith(f"{block.id}.") and not key.endswith(".page")}, "href": partial(_href, links),
    }  # fmt: skip


def _href(links: Mapping[str, str], column: str, row: Mapping[str, Any]) -> str:
    """The address that a cell leads to: a path of this site, with values of the row in braces."""
    said = links.get(column, "")
    if not said.startswith("/") or said.startswith("//"):
        return ""
    for name, value in row.items():
        said = said.replace(f"{{{name}}}", quote(str(plain(stands(value)) if value is not None else ""), safe=""))
    return said


def _timeline(reader: Reader, block: Block, outcome: Outcome, _told: Mapping[str, str]) -> dict[str, Any]:
    when, what, detail, kind = (block.options.get(key, "") for key in ("when", "what", "detail", "kind"))
    return {"events": [{"when": plain(row[when]), "what": shown(row[what], reader.lang), "detail": None if row.get(detail) is None else shown(row[detail], reader.lang), "kind": plain(row.get(kind))} for row in outcome.rows[:100]]}


def _draw_other(asking: Asking, block: Block, told: Mapping[str, str]) -> Drawn:
    """A component that shows something else than a query."""
    reader = asking.reader
    if block.component == "inputs":
        return _said(reader, block, "shown", inputs=inputs_of(asking, block.columns("names")))
    context = others.SHOWN[block.component](reader, block)
    return _said(reader, block, "shown", **context)


def inputs_of(asking: Asking, names: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The inputs with what may be chosen and what is."""
    reader = asking.reader
    found = []
    for one in reader.page.inputs:
        if names and one.name not in names:
            continue
        options = [(value, title.in_(reader.lang)) for value, title in one.options]
        if one.query:
            outcome = asking.outcome(one.query)
            options += [(str(plain(stands(row.get(one.value)))), str(plain(row.get(one.label)))) for row in outcome.rows[:1000]]
        chosen = reader.params.get(one.name)
        found.append({"name": one.name, "kind": one.kind, "title": one.title.in_(reader.lang), "options": options, "value": "" if chosen is None else str(chosen), "default": one.default, "none": one.none.in_(reader.lang)})
    return found


MADE: Mapping[str, Callable[[Reader, Block, Outcome, Mapping[str, str]], dict[str, Any]]] = {
    "figure": _figure, "table": _table, "timeline": _timeline,
}  # fmt: skip
