"""Charts that a city pack puts on the front page, drawn from open datasets through the open door."""

from __future__ import annotations

import logging
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from sanqu.ground.city import City
from sanqu.ground.errors import SanquError
from sanqu.ground.i18n import Lang, Text
from sanqu.ground.people.askers import Asker
from sanqu.sharing.look import chart_rows
from sanqu.sharing.views import view_of

log = logging.getLogger(__name__)
MOST_ROWS = 2000
# Names beside lying bars: narrow enough for a phone, in two lines where they are long.
BESIDE = {"interval": 0, "fontSize": 11, "lineHeight": 13, "width": 120, "overflow": "break"}


class HomeChart(BaseModel):
    """One chart: `y` items of a dataset over `x`, one series per item or per value of `series`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Text
    dataset: str
    kind: Literal["line", "bar", "bar-level"] = "bar"
    x: str
    y: tuple[str, ...]
    series: str | None = None
    only: dict[str, str] = {}
    names: dict[str, Text] = {}


def draw_home_chart(city: City, asker: Asker, chart: HomeChart, lang: Lang) -> dict[str, Any] | None:
    """The chart as ECharts takes it, or None when its dataset cannot be read (yet)."""
    try:
        view = view_of(city, asker, chart.dataset)
    except SanquError:
        return None
    items = [chart.x, *chart.y, *([chart.series] if chart.series else [])]
    if any(item not in view.items for item in (*items, *chart.only)):
        log.warning("chart of %s names items that the dataset does not have", chart.dataset)
        return None
    rows = chart_rows(city, view, items, chart.only, chart.x, MOST_ROWS)
    return chart_option(chart, rows, lang) if rows else None


def chart_option(chart: HomeChart, rows: list[dict[str, Any]], lang: Lang) -> dict[str, Any]:
    """The ECharts option of `chart` over `rows`."""
    xs = list(dict.fromkeys(str(row[chart.x]) for row in rows))
    series = []
    for y in chart.y:
        grouped: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            name = str(row[chart.series]) if chart.series else chart.names.get(y, Text(zh=y, en=y)).in_(lang)
            grouped.setdefault(name, []).append(row)
        for name, group in sorted(grouped.items()) if chart.series else grouped.items():
            values = {str(row[chart.x]): row[y] for row in group}
            series.append({
                "name": name, "type": "line" if chart.kind == "line" else "bar", "data": [values.get(x) for x in xs],
                "smooth": True, "barMaxWidth": 22,
            })  # fmt: skip
    # Few long names break into lines; many are thinned by the library.
    label = {"interval": 0, "width": 96, "overflow": "break"} if len(xs) <= 8 else {}
    category, value = {"type": "category", "data": xs, "axisLabel": label}, {"type": "value"}
    level = chart.kind == "bar-level"
    return {
        "legend": {} if len(series) > 1 else None,
        "xAxis": value if level else category,
        "yAxis": {**category, "axisLabel": BESIDE, "inverse": True} if level else value,
        "series": series,
    }
