"""How a dataset is looked at: the first rows, and a chart over items chosen for it or by the reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sanqu.ground.city import City
from sanqu.lake import Contract, Field, lake_of, quote_ident
from sanqu.sharing.evidence import note_view, rows_left
from sanqu.sharing.views import View

PREVIEW_ROWS = 20
MOST_POINTS = 400
# As many bars as have room for their names on a phone.
MOST_CATEGORIES = 12
UNIT_ITEMS = ("unit", "单位", "计量单位")
TIME_TYPES = ("date", "datetime", "year", "yearmonth")


@dataclass(frozen=True)
class Axes:
    """What a chart shows: `y` (or the number of rows, when None) along `x`, which is a time or a category."""

    x: str
    y: str | None
    over_time: bool


def chartable(contract: Contract, items: tuple[str, ...]) -> tuple[list[Field], list[Field]]:
    """The items that can run along a chart and those that can be measured on it.

    Numbers whose unit stands in another item, row by row, cannot: years do not add up with yuan.
    """
    fields = [contract.field(name) for name in items]
    mixed = any(f.name.casefold() in UNIT_ITEMS or f.title.zh in UNIT_ITEMS for f in contract.fields)
    numeric = [
        f for f in fields if f.type in ("number", "integer") and f.name not in contract.primaryKey and (f.unit or not mixed)
    ]
    along = [f for f in fields if f.type in TIME_TYPES]
    along += [f for f in fields if f.type in ("string", "boolean") and (f.name,) != contract.primaryKey]
    return along, numeric


def choose_axes(contract: Contract, items: tuple[str, ...], x: str | None, y: str | None) -> Axes | None:
    """The axes the reader asked for where they can be drawn, else the likeliest ones; None when nothing can be."""
    along, numeric = chartable(contract, items)
    chosen_x = next((f for f in along if f.name == x), along[0] if along else None)
    if chosen_x is None:
        return None
    chosen_y = next((f.name for f in numeric if f.name == y), None)
    if y is None and numeric:
        chosen_y = numeric[0].name
    return Axes(chosen_x.name, chosen_y, chosen_x.type in TIME_TYPES)


def first_rows(city: City, view: View) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names of the readable items and the first rows."""
    left = rows_left(city, view)
    most = PREVIEW_ROWS if left is None else min(PREVIEW_ROWS, left)
    chosen = ", ".join(quote_ident(item) for item in view.items)
    table = view.over(lake_of(city).at_snapshot(view.table, view.snapshot))
    with lake_of(city).engine() as duck:
        view.prepare(duck)
        rows = duck.execute(f"SELECT {chosen} FROM {table} LIMIT {most}").fetchall()
    note_view(city, view, via="preview", items=view.items, rows=len(rows))
    return list(view.items), rows


def draw(city: City, view: View, axes: Axes) -> tuple[dict[str, Any], int]:
    """The chart over the whole dataset: means over time, sums of the largest categories, or numbers of rows.

    Returns the option of ECharts and how many categories (or times) there are, shown or not.
    """
    contract = view.contract
    x = quote_ident(axes.x)
    measure = "count(*)" if axes.y is None else f"{'avg' if axes.over_time else 'sum'}({quote_ident(axes.y)})"
    rows_left(city, view)
    table = view.over(lake_of(city).at_snapshot(view.table, view.snapshot))
    query = f"SELECT CAST({x} AS VARCHAR) AS x, {measure} AS y, count(*) OVER () FROM {table} WHERE {x} IS NOT NULL GROUP BY {x} "
    query += f"ORDER BY {x} LIMIT 20000" if axes.over_time else f"ORDER BY 2 DESC NULLS LAST LIMIT {MOST_CATEGORIES}"
    with lake_of(city).engine() as duck:
        view.prepare(duck)
        points = duck.execute(query).fetchall()
    note_view(city, view, via="chart", items=[axes.x, *([axes.y] if axes.y else [])], rows=len(points))
    found = int(points[0][2]) if points else 0
    unit = (contract.field(axes.y).unit if axes.y else None) or ""
    return (_line(points, unit) if axes.over_time else _bars(points, unit)), found


def chart_rows(
    city: City, view: View, items: Sequence[str], only: Mapping[str, str], order: str, most: int
) -> list[dict[str, Any]]:
    """Rows for a chart: some items, where others have given values, in the order of one."""
    where = " AND ".join(f"{quote_ident(item)} = ?" for item in only)
    query = f"SELECT {', '.join(map(quote_ident, items))} FROM {view.over(lake_of(city).at_snapshot(view.table, view.snapshot))}"
    query += (f" WHERE {where}" if where else "") + f" ORDER BY {quote_ident(order)} LIMIT {most}"
    with lake_of(city).engine() as duck:
        view.prepare(duck)
        rows: list[dict[str, Any]] = duck.execute(query, list(only.values())).to_arrow_table().to_pylist()
    note_view(city, view, via="chart", items=items, rows=len(rows))
    return rows


def _line(points: list[tuple[Any, ...]], unit: str) -> dict[str, Any]:
    if len(points) > MOST_POINTS:
        points = points[:: len(points) // MOST_POINTS + 1]
    return {
        "xAxis": {"type": "category", "data": [point[0] for point in points]},
        "yAxis": {"type": "value", "name": unit, "scale": True},
        "series": [{"type": "line", "data": [point[1] for point in points], "showSymbol": len(points) < 40}],
        "dataZoom": [{"type": "inside"}],
    }


def _bars(points: list[tuple[Any, ...]], unit: str) -> dict[str, Any]:
    # Lying down, so that each bar has its name beside it however long the name is.
    return {
        "xAxis": {"type": "value", "name": unit, "nameLocation": "middle", "nameGap": 24, "axisLabel": {"hideOverlap": True}},
        "yAxis": {
            "type": "category", "inverse": True, "data": [point[0] for point in points],
            "axisLabel": {"interval": 0, "width": 104, "overflow": "truncate"},
        },
        "series": [{"type": "bar", "data": [point[1] for point in points], "barMaxWidth": 20}],
        "grid": {"left": 8, "right": 24, "top": 8, "bottom": 24 if unit else 8, "containLabel": True},
    }  # fmt: skip
