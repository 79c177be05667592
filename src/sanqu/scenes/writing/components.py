"""The components (组件) that a page may be made of, and what each may be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sanqu.ground.i18n import Text

# `column` and `columns` name what the query gives; `words` are a text, or a text in each language.
Kind = Literal["name", "words", "text", "number", "flag", "column", "columns", "choice", "names", "heads", "fields"]


@dataclass(frozen=True)
class Option:
    """One thing that a component may be told."""

    kind: Kind
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Component:
    """One component: its options, whether it shows a query, and how many of the page's twelve columns it takes."""

    title: Text
    options: Mapping[str, Option] = field(default_factory=dict)
    asks: bool = True
    span: int = 6


def _needs(kind: Kind) -> Option:
    return Option(kind, required=True)


COLUMN, COLUMNS, WORDS, NUMBER, FLAG, TEXT = Option("column"), Option("columns"), Option("words"), Option("number"), Option("flag"), Option("text")
# What every component may be told.
COMMON: Mapping[str, Option] = {
    "id": Option("name"), "title": WORDS, "note": WORDS, "span": NUMBER, "height": NUMBER, "unit": WORDS, "digits": NUMBER, "empty": WORDS,
}  # fmt: skip
_XY: Mapping[str, Option] = {
    "x": _needs("column"), "y": _needs("columns"), "series": COLUMN, "stack": FLAG, "names": Option("heads"), "top": NUMBER,
}  # fmt: skip
_LINKS: Mapping[str, Option] = {"source": _needs("column"), "target": _needs("column"), "value": COLUMN}

COMPONENTS: Mapping[str, Component] = {
    "figure": Component(
        Text(zh="数字", en="Figure"),
        {"value": _needs("column"), "label": COLUMN, "compare": COLUMN, "against": WORDS, "target": COLUMN, "spark": COLUMN, "good": Option("choice", choices=("up", "down", "none"))},
        span=3,
    ),
    "table": Component(
        Text(zh="表格", en="Table"),
        {"columns": COLUMNS, "heads": Option("heads"), "sort": TEXT, "page": NUMBER, "filter": FLAG, "export": FLAG, "bars": COLUMNS, "links": Option("heads")},
        span=12,
    ),
    "line": Component(Text(zh="折线图", en="Line chart"), {**_XY, "smooth": FLAG}),
    "bar": Component(Text(zh="柱形图", en="Bar chart"), {**_XY, "lying": FLAG}),
    "area": Component(Text(zh="面积图", en="Area chart"), {**_XY, "smooth": FLAG}),
    "pie": Component(Text(zh="饼图", en="Pie chart"), {"name": _needs("column"), "value": _needs("column")}),
    "sankey": Component(Text(zh="桑基图", en="Sankey diagram"), {**_LINKS, "value": _needs("column")}),
    "radar": Component(Text(zh="雷达图", en="Radar chart"), {"name": _needs("column"), "value": _needs("columns"), "most": NUMBER, "names": Option("heads")}),
    "heat": Component(Text(zh="热力图", en="Heat map"), {"x": _needs("column"), "y": _needs("column"), "value": _needs("column")}),
    "map": Component(
        Text(zh="地图", en="Map"),
        {"region": COLUMN, "value": COLUMN, "lon": COLUMN, "lat": COLUMN, "name": COLUMN, "shape": COLUMN, "size": COLUMN, "path": COLUMN, "kind": COLUMN},
    ),
    "graph": Component(Text(zh="关系图", en="Graph"), {**_LINKS, "kind": COLUMN}),
    "timeline": Component(Text(zh="时间线", en="Timeline"), {"when": _needs("column"), "what": _needs("column"), "detail": COLUMN, "kind": COLUMN}),
    "gauge": Component(
        Text(zh="仪表", en="Gauge"), {"value": _needs("column"), "least": NUMBER, "most": NUMBER, "most_column": COLUMN, "target": COLUMN}, span=3
    ),
    "indicator": Component(Text(zh="指标", en="Indicator"), {"code": _needs("text")}, asks=False),
    "cases": Component(
        Text(zh="办件", en="Cases"),
        {"process": TEXT, "state": Option("choice", choices=("open", "done", "withdrawn")), "most": NUMBER}, asks=False, span=12,
    ),
    "alarms": Component(Text(zh="告警", en="Alarms"), {"rule": TEXT, "most": NUMBER}, asks=False, span=12),
    "form": Component(Text(zh="表单", en="Form"), {"process": _needs("text"), "unit": TEXT, "about": TEXT, "button": WORDS, "fields": _needs("fields")}, asks=False, span=12),
    "inputs": Component(Text(zh="筛选", en="Inputs"), {"names": Option("names")}, asks=False, span=12),
}  # fmt: skip
