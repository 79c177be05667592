"""Answers as ECharts draws them: one function for each component, from rows to an option."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sanqu.ground.i18n import Lang, say
from sanqu.scenes.showing.values import number_of, plain, shown
from sanqu.scenes.writing.page import Block

Row = Mapping[str, Any]
Option = dict[str, Any]
MOST_POINTS = 5000
# Names in words are all said, up to so many: broken into lines or, where they are too long, aslant; more of them, and dates and numbers, are thinned out.
MOST_NAMES, FEW_NAMES = 16, 8
NUMBERED = re.compile(r"[\d\s:./年月日季周Q—-]*")
MOST_SLICES = 12
# More points than these do not glide to new places; a map is shown nearer where all points lie within so many degrees.
MOST_GLIDING, SMALL_DEGREES = 100, 0.5


def chart_of(block: Block, rows: Sequence[Row], lang: Lang) -> Option:
    """The option of a chart's component over `rows`; what is larger than a screen can show is cut at its end."""
    return DRAWN[block.component](block, list(rows[:MOST_POINTS]), lang)


def _named(block: Block, column: str, lang: Lang) -> str:
    heads = block.options.get("names") or {}
    return str(heads[column].in_(lang)) if column in heads else column


def _text(value: Any) -> str:
    told = plain(value)
    return "—" if told is None else str(told)


def _number(value: Any) -> float | None:
    """A number for a chart, without digits that nobody could see."""
    told = number_of(value)
    if told is None or told == 0:
        return told
    return round(told, 1 if abs(told) >= 1000 else 3 if abs(told) >= 1 else 6)


def _unit(block: Block, lang: Lang) -> str:
    return block.words("unit").in_(lang)


def _series(block: Block, rows: Sequence[Row], lang: Lang) -> tuple[list[str], list[tuple[str, list[float | None]]]]:
    """The names along x, and each series with a value for each of them."""
    x, by = str(block.options["x"]), block.options.get("series")
    names = list(dict.fromkeys(_text(row[x]) for row in rows))
    if block.options.get("top"):
        names = names[: int(block.number("top") or 0)]
    found: dict[str, dict[str, float | None]] = {}
    for row in rows:
        for y in block.columns("y"):
            called = _text(row[by]) if by else _named(block, y, lang)
            if by and len(block.columns("y")) > 1:
                called = f"{called} · {_named(block, y, lang)}"
            found.setdefault(called, {})[_text(row[x])] = _number(row[y])
    return names, [(called, [values.get(name) for name in names]) for called, values in found.items()]


def _xy(block: Block, rows: Sequence[Row], lang: Lang) -> Option:
    names, series = _series(block, rows, lang)
    lying, bars = block.flag("lying"), block.component == "bar"
    label = {"fit": "beside"} if lying else _below(names, bars)
    category: Option = {"type": "category", "data": names, "axisLabel": label, **({"inverse": True} if lying else {"boundaryGap": bars})}
    value: Option = {"type": "value", "name": "" if block.words("title").zh else _unit(block, lang), "axisLabel": {"hideOverlap": True}, **({} if bars else {"scale": block.component == "line"})}
    if lying:
        value |= {"nameLocation": "middle", "nameGap": 26}
    drawn = [_one_series(block, called, values, len(series)) for called, values in series]
    option: Option = {
        "xAxis": value if lying else category, "yAxis": category if lying else value, "series": drawn,
        "grid": {"left": 12, "right": 34, "top": 34 if len(series) > 1 or (value["name"] and not lying) else 14, "bottom": 26 if lying and value["name"] else 8, "containLabel": True},
    }  # fmt: skip
    return option | ({"legend": {}} if len(series) > 1 else {})


def _below(names: Sequence[str], bars: bool) -> Option:
    """Names below a chart: those of bars are all said if they are words (how wide they may be is known where they are drawn), points of a line are thinned out."""
    if bars and len(names) <= MOST_NAMES and not all(NUMBERED.fullmatch(name) for name in names):
        return {"fit": "below"}
    return {"hideOverlap": True, "rotate": 0, **({"width": 84, "overflow": "break"} if len(names) <= FEW_NAMES else {})}


def _one_series(block: Block, called: str, values: list[float | None], many: int) -> Option:
    bars = block.component == "bar"
    drawn: Option = {"name": called, "type": "bar" if bars else "line", "data": values}
    if bars:
        drawn["barMaxWidth"] = 28
    else:
        drawn |= {"smooth": block.flag("smooth"), "showSymbol": len(values) < 40, "symbolSize": 6}
    if block.component == "area":
        drawn["areaStyle"] = {"opacity": 0.18 if many > 1 and not block.flag("stack") else 0.3}
    if block.flag("stack"):
        drawn["stack"] = "all"
    return drawn


def _pie(block: Block, rows: Sequence[Row], _lang: Lang) -> Option:
    name, value = str(block.options["name"]), str(block.options["value"])
    data = [{"name": _text(row[name]), "value": _number(row[value])} for row in rows[:MOST_SLICES]]
    rest = [_number(row[value]) or 0.0 for row in rows[MOST_SLICES:]]
    if rest:
        data.append({"name": "…", "value": sum(rest)})
    # Names beside the slices would be cut off in a narrow block: they stand below.
    return {
        "tooltip": {"trigger": "item"}, "legend": {"top": None, "bottom": 0},
        "series": [{"type": "pie", "radius": ["36%", "58%"], "center": ["50%", "44%"], "data": data, "percentPrecision": 1, "label": {"formatter": "{d}%", "fontSize": 12}, "labelLine": {"length": 8, "length2": 6}, "itemStyle": {"borderWidth": 1}}],
    }  # fmt: skip


def _sankey(block: Block, rows: Sequence[Row], _lang: Lang) -> Option:
    links = [link for link in _links(block, rows) if link["source"] != link["target"] and link["value"]]
    return {
        "tooltip": {"trigger": "item"},
        "series": [{"type": "sankey", "data": _nodes(links), "links": links, "left": 8, "right": 110, "top": 10, "bottom": 10, "lineStyle": {"color": "gradient", "opacity": 0.35}, "nodeGap": 10}],
    }  # fmt: skip


def _links(block: Block, rows: Sequence[Row]) -> list[Option]:
    source, target, value = str(block.options["source"]), str(block.options["target"]), block.options.get("value")
    return [{"source": _text(row[source]), "target": _text(row[target]), "value": _number(row[value]) if value else 1} for row in rows]


def _nodes(links: Sequence[Option]) -> list[Option]:
    return [{"name": name} for name in dict.fromkeys(name for link in links for name in (link["source"], link["target"]))]


def _graph(block: Block, rows: Sequence[Row], _lang: Lang) -> Option:
    links, kind = _links(block, rows), block.options.get("kind")
    degree: dict[str, int] = {}
    for link in links:
        for end in (link["source"], link["target"]):
            degree[end] = degree.get(end, 0) + 1
    kinds = list(dict.fromkeys(_text(row[kind]) for row in rows)) if kind else []
    of = {_text(row[block.options["source"]]): _text(row[kind]) for row in rows} if kind else {}
    nodes = [
        {"name": name, "symbolSize": min(46, 12 + 4 * number), **({"category": kinds.index(of[name])} if name in of else {})}
        for name, number in degree.items()
    ]
    return {
        "tooltip": {"trigger": "item"}, **({"legend": {}} if kinds else {}),
        "series": [{
            "type": "graph", "layout": "force", "data": nodes, "links": [{k: v for k, v in link.items() if k != "value"} for link in links],
            "categories": [{"name": one} for one in kinds], "roam": True, "label": {"show": len(nodes) <= 60, "position": "right"}, "force": {"repulsion": 320, "edgeLength": 110, "layoutAnimation": False}, "lineStyle": {"opacity": 0.5},
        }],
    }  # fmt: skip


def _radar(block: Block, rows: Sequence[Row], lang: Lang) -> Option:
    name, values = str(block.options["name"]), block.columns("value")
    axes = [_text(row[name]) for row in rows]
    most = block.number("most") or max((_number(row[value]) or 0.0 for row in rows for value in values), default=1.0) * 1.1 or 1.0
    data = [{"name": _named(block, value, lang), "value": [_number(row[value]) for row in rows]} for value in values]
    return {
        "tooltip": {"trigger": "item"}, **({"legend": {}} if len(values) > 1 else {}),
        "radar": {"indicator": [{"name": axis, "max": most} for axis in axes], "radius": "64%"},
        "series": [{"type": "radar", "data": data, "areaStyle": {"opacity": 0.15}}],
    }  # fmt: skip


def _heat(block: Block, rows: Sequence[Row], lang: Lang) -> Option:
    x, y, value = (str(block.options[key]) for key in ("x", "y", "value"))
    xs, ys = (list(dict.fromkeys(_text(row[key]) for row in rows)) for key in (x, y))
    data = [[xs.index(_text(row[x])), ys.index(_text(row[y])), _number(row[value])] for row in rows]
    known = [one[2] for one in data if one[2] is not None]
    return {
        "tooltip": {"trigger": "item"}, "grid": {"left": 12, "right": 12, "top": 10, "bottom": 44, "containLabel": True},
        "xAxis": {"type": "category", "data": xs}, "yAxis": {"type": "category", "data": ys, "inverse": True},
        "visualMap": _shades(known, lang),
        "series": [{"type": "heatmap", "data": data, "label": {"show": len(data) <= 42, "fontSize": 11}}],
    }  # fmt: skip


def _shades(values: Sequence[float], lang: Lang) -> Option:
    least, most = min(values, default=0.0), max(values, default=1.0)
    ends = {"text": [shown(most, lang), shown(least, lang)], "textGap": 6} if values else {}
    # The library wants a span.
    return {"min": least, "max": most if most > least else least + 1, "calculable": False, "orient": "horizontal", "left": "center", "bottom": 0, "itemHeight": 90, "itemWidth": 10, "shades": True, **ends}


def _map(block: Block, rows: Sequence[Row], lang: Lang) -> Option:
    option: Option = {"tooltip": {"trigger": "item"}, "map": {"name": "city", "url": "/map/boundaries.geojson"}}
    if block.options.get("shape"):
        option["map"] = {"name": f"shapes-{block.id}", "shapes": _shapes(block, rows)}
    if block.options.get("lon") and block.options.get("lat"):
        return option | _points(block, rows, lang)
    region, value, kinds = block.options.get("name" if block.options.get("shape") else "region"), block.options.get("value"), kinds_of(block, rows)
    data = [{"name": _text(row[region]), "value": _measure(block, row, kinds)} for row in rows] if region else []
    series = {**_ground(str(option["map"]["name"])), "type": "map", "data": data, "name": _unit(block, lang) or (value or ""), "selectedMode": False}
    known = [one["value"] for one in data if isinstance(one["value"], int | float)]
    return option | {"series": [series], **_coloured(kinds, known, lang)}


def kinds_of(block: Block, rows: Sequence[Row]) -> list[str]:
    """The kinds that a map tells apart by colour, in the order in which the rows bring them; none where it shows a measure."""
    kind = block.options.get("kind") if block.component == "map" else None
    return list(dict.fromkeys(_text(row[kind]) for row in rows)) if kind else []


def _measure(block: Block, row: Row, kinds: Sequence[str]) -> float | None:
    """What the colour of a place says: the place of its kind among the kinds, or its value."""
    if kinds:
        return kinds.index(_text(row[block.options["kind"]]))
    value = block.options.get("value")
    return _number(row[value]) if value else None


def _coloured(kinds: Sequence[str], known: Sequence[float], lang: Lang) -> Option:
    if kinds:
        # The kinds are named in words below the map, where they find room on a phone too.
        return {"kinds": list(kinds), "visualMap": {"type": "piecewise", "show": False, "pieces": [{"value": place, "label": kind} for place, kind in enumerate(kinds)]}}
    return {"visualMap": _shades(known, lang)} if known else {}


def _ground(name: str) -> Option:
    return {
        "map": name, "layoutCenter": ["50%", "47%"], "layoutSize": "94%", "label": {"show": True, "fontSize": 11}, "itemStyle": {"borderWidth": 1},
        "emphasis": {"itemStyle": {"areaColor": "#f0a35a"}, "label": {"color": "#1d2b2f"}},
    }  # fmt: skip


def _points(block: Block, rows: Sequence[Row], lang: Lang) -> Option:
    lon, lat, name, size = (str(block.options.get(key, "")) for key in ("lon", "lat", "name", "size"))
    kinds = kinds_of(block, rows)
    sizes = [_number(row[size]) or 0.0 for row in rows] if size else []
    most = max(sizes, default=0.0) or 1.0
    data: list[Option] = [
        {
            "name": _text(row[name]) if name else "", "value": [_number(row[lon]), _number(row[lat]), _measure(block, row, kinds)],
            "symbolSize": 6 + 22 * (sizes[place] / most) ** 0.5 if size else 5 if block.options.get("path") else 9,
        }
        for place, row in enumerate(rows)
        if _number(row[lon]) is not None and _number(row[lat]) is not None
    ]  # fmt: skip
    known = [one["value"][2] for one in data if isinstance(one["value"][2], int | float)]
    ways, coloured = _ways(block, rows), _coloured(kinds, known, lang)
    if "visualMap" in coloured:
        coloured["visualMap"] |= {"dimension": 2}
    return {
        # Hundreds of points that glide to their new places every few seconds keep a processor busy, and nobody sees them glide.
        "animation": len(data) <= MOST_GLIDING,
        "geo": {**_ground("city"), "roam": True, "silent": True, **_near([one["value"][:2] for one in data])},
        "series": [{"type": "scatter", "coordinateSystem": "geo", "data": data, "name": _unit(block, lang), "itemStyle": {"opacity": 0.85}}, *ways],
        **coloured,
    }  # fmt: skip


def _ways(block: Block, rows: Sequence[Row]) -> list[Option]:
    """Points that follow each other as ways, with something that runs along them: a trip is replayed."""
    path, lon, lat = (str(block.options.get(key, "")) for key in ("path", "lon", "lat"))
    ways: dict[str, list[list[float]]] = {}
    for row in rows if path else ():
        x, y = _number(row[lon]), _number(row[lat])
        if x is not None and y is not None:
            ways.setdefault(_text(row[path]), []).append([x, y])
    data: list[Option] = [{"name": name, "coords": coords} for name, coords in ways.items() if len(coords) > 1]
    if not data:
        return []
    runner: Option = {"show": True, "period": 20, "trailLength": 0.15, "symbol": "arrow", "symbolSize": 9}
    return [{"type": "lines", "coordinateSystem": "geo", "polyline": True, "data": data, "effect": runner, "lineStyle": {"width": 2, "opacity": 0.55}}]


def _near(points: Sequence[Sequence[float]]) -> Option:
    """The part of the map on which the points lie, where that is a small one."""
    if len(points) < 2:
        return {}
    low, high = [min(point[n] for point in points) for n in (0, 1)], [max(point[n] for point in points) for n in (0, 1)]
    span = max(high[0] - low[0], high[1] - low[1], 0.02)
    return {"center": [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2], "zoom": min(40.0, 0.9 / span)} if span < SMALL_DEGREES else {}


def _shapes(block: Block, rows: Sequence[Row]) -> Option:
    """Polygons of a column (GeoJSON geometries, as text or as they are) as a collection."""
    import orjson

    shape, name = str(block.options["shape"]), block.options.get("name")
    features = []
    for place, row in enumerate(rows):
        said = plain(row[shape])
        try:
            geometry = orjson.loads(said) if isinstance(said, str) else said
        except orjson.JSONDecodeError:
            continue
        if isinstance(geometry, dict) and geometry.get("type") in ("Polygon", "MultiPolygon"):
            features.append({"type": "Feature", "properties": {"name": _text(row[name]) if name else str(place + 1)}, "geometry": geometry})
    return {"type": "FeatureCollection", "features": features}


def _gauge(block: Block, rows: Sequence[Row], lang: Lang) -> Option:
    row = rows[0]
    value = _number(row[str(block.options["value"])])
    by_column = _number(row[str(block.options["most_column"])]) if block.options.get("most_column") else None
    least, most = block.number("least", 0.0), by_column or block.number("most") or max(100.0, value or 0.0)
    target = f"{say('scenes.target', lang)} {shown(row[str(block.options['target'])], lang)}" if block.options.get("target") else ""
    told = round(value, int(block.number("digits", 1) or 0)) if value is not None else None
    series: Option = {
        "type": "gauge", "min": least, "max": most, "startAngle": 210, "endAngle": -30, "radius": "92%", "center": ["50%", "58%"],
        "progress": {"show": True, "width": 14}, "pointer": {"show": False}, "axisTick": {"show": False}, "splitLine": {"show": False},
        "axisLine": {"lineStyle": {"width": 14}}, "axisLabel": {"show": False}, "detail": {"offsetCenter": [0, "8%"], "fontSize": 26, "formatter": f"{{value}}{_unit(block, lang)}"},
        "data": [{"value": told, "name": target}], "title": {"show": bool(target), "offsetCenter": [0, "44%"], "fontSize": 12},
    }  # fmt: skip
    return {"tooltip": {"show": False}, "series": [series]}


DRAWN: Mapping[str, Callable[[Block, list[Row], Lang], Option]] = {
    "line": _xy, "bar": _xy, "area": _xy, "pie": _pie, "sankey": _sankey, "graph": _graph, "radar": _radar, "heat": _heat, "map": _map, "gauge": _gauge,
}  # fmt: skip


def spark_of(values: Sequence[float | None]) -> Option:
    """A line without axes, for beside a figure."""
    return {
        "grid": {"left": 2, "right": 2, "top": 4, "bottom": 2}, "xAxis": {"type": "category", "show": False, "boundaryGap": False}, "yAxis": {"type": "value", "show": False, "scale": True},
        "tooltip": {"show": False}, "series": [{"type": "line", "data": list(values), "showSymbol": False, "areaStyle": {"opacity": 0.12}, "lineStyle": {"width": 1.6}, "silent": True}],
    }  # fmt: skip
