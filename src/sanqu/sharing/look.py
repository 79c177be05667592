"""How a dataset is looked at: the first rows, and a chart over items chosen for it or by the reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.i18n import Lang
from sanqu.lake import Contract, Field, lake_of, quote_ident
from sanqu.sharing.views import View

PREVIEW_ROWS = 20
MOST_POINTS = 400
MOST_CATEGORIES = 24
TIME_TYPES = ("date", "datetime", "year", "yearmonth")


@dataclass(frozen=True)
class Axes:
    """What a chart shows: `y` (or the number of rows, when None) along `x`, which is a time or a category."""

    x: str
    y: str | None
    over_time: bool


def chartable(contract: Contract, items: tuple[str, ...]) -> tuple[list[Field], list[Field]]:
    """The items that can run along a chart and those that can be measured on it."""
    fields = [contract.field(name) for name in items]
    numeric = [f for f in fields if f.type in ("number", "integer") and f.name not in contract.primaryKey]
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
    with lake_of(city).read(view.opened.contract.name, view.opened.items, limit=PREVIEW_ROWS, snapshot=view.snapshot) as reader:
        table = reader.read_all()
    return list(view.opened.items), list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def draw(city: City, view: View, axes: Axes, lang: Lang) -> dict[str, Any]:
    """The chart over the whole dataset: means over time, sums by category, or numbers of rows."""
    contract = view.opened.contract
    x = quote_ident(axes.x)
    measure = "count(*)" if axes.y is None else f"{'avg' if axes.over_time else 'sum'}({quote_ident(axes.y)})"
    table = lake_of(city).at_snapshot(contract.name, view.snapshot)
    query = f"SELECT CAST({x} AS VARCHAR) AS x, {measure} AS y FROM {table} WHERE {x} IS NOT NULL GROUP BY {x} "
    query += f"ORDER BY {x} LIMIT 20000" if axes.over_time else f"ORDER BY 2 DESC NULLS LAST LIMIT {MOST_CATEGORIES}"
    with lake_of(city).engine() as duck:
        points = duck.execute(query).fetchall()
    if axes.over_time and len(points) > MOST_POINTS:
        points = points[:: len(points) // MOST_POINTS + 1]
    unit = contract.field(axes.y).unit if axes.y else None
    return {
        "xAxis": {"type": "category", "data": [point[0] for point in points]},
        "yAxis": {"type": "value", "name": unit or "", "scale": axes.over_time},
        "series": [{
            "type": "line" if axes.over_time else "bar", "data": [point[1] for point in points], "showSymbol": len(points) < 40,
            "barMaxWidth": 28,
        }],
        "dataZoom": [{"type": "inside"}] if axes.over_time else [],
    }  # fmt: skip
