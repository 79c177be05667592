"""Scorecards (乡镇街道评分): figures of a period by town or grid, and the map with heat and backlog; worked out in one pass of SQL."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode

from sanqu.governance.events import FILTERS, Wanted, params_of
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.errors import not_found
from sanqu.ground.i18n import Lang, Text
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import Unit, unit

Level = Literal["county", "town", "village", "grid"]
Period = Literal["7", "30", "90", "365", "all"]
PERIODS: tuple[Period, ...] = ("7", "30", "90", "365", "all")
Metric = Literal["heat", "backlog"]

# `late` are those that missed their deadline, closed or not; those that ended otherwise (merged, refused, withdrawn) miss none.
FIGURES = """
count(*) AS events,
count(*) FILTER (WHERE e.state IN ('reported','dispatching','handling','verifying')) AS open,
count(*) FILTER (WHERE e.state = 'closed') AS closed,
count(*) FILTER (WHERE e.state = 'closed' AND e.closed <= e.due) AS on_time,
count(*) FILTER (WHERE coalesce(e.closed, %(now)s) > e.due AND e.state NOT IN ('refused','merged','withdrawn')) AS late,
count(*) FILTER (WHERE e.reopened) AS reopened,
count(*) FILTER (WHERE e.repeat_of IS NOT NULL) AS repeated,
count(e.rating) AS rated,
avg(e.rating) AS rating,
percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM e.closed - e.reported) / 3600) FILTER (WHERE e.state = 'closed') AS hours
"""
# The units and all of them together, in one pass.
BY: dict[Level, str] = {
    level: f"""
SELECT s.*, u.title_zh, u.title_en FROM (
    SELECT e.{level} AS unit, grouping(e.{level}) = 1 AS whole, {FIGURES} {FILTERS} GROUP BY GROUPING SETS ((e.{level}), ())
) s LEFT JOIN org_unit u ON u.code = s.unit ORDER BY s.unit NULLS LAST
"""
    for level in ("county", "town", "village", "grid")
}
WEEKS = f"""
SELECT date_trunc('week', e.reported AT TIME ZONE 'Asia/Shanghai')::date AS week, count(*) AS events,
       count(*) FILTER (WHERE e.state = 'closed' AND e.closed <= e.due) AS on_time
{FILTERS} GROUP BY 1 ORDER BY 1
"""
AREAS = """
SELECT a.unit, a.kind, a.shape, a.sample, u.title_zh, u.title_en FROM governance_area a JOIN org_unit u ON u.code = a.unit
WHERE u.path LIKE %(path)s || '%%' AND a.kind = %(level)s ORDER BY a.unit
"""
HAS_AREAS = (
    "SELECT 1 FROM governance_area a JOIN org_unit u ON u.code = a.unit WHERE u.path LIKE %s || '%%' AND a.kind = %s LIMIT 1"
)
FINER: dict[str, tuple[Level, ...]] = {
    "city": ("county",), "county": ("town",), "town": ("grid", "village"), "village": ("grid",), "grid": ("grid",),
}  # fmt: skip
COOL, WARM = "#e3efed", "#c96a14"


@dataclass(frozen=True)
class Score:
    """The figures of one unit in a period; shares are 0 to 1, None where nothing could be counted."""

    unit: str | None
    title: Text
    events: int
    open: int
    closed: int
    on_time: int
    late: int
    reopened: int
    repeated: int
    rated: int
    rating: float | None
    hours: float | None

    @property
    def on_time_share(self) -> float | None:
        """How many of the closed were closed in time."""
        return self.on_time / self.closed if self.closed else None


def score_from(row: dict[str, Any], title: Text) -> Score:
    """The score in a row of `FIGURES`."""
    return Score(
        row.get("unit"), title, int(row["events"]), int(row["open"]), int(row["closed"]), int(row["on_time"]), int(row["late"]),
        int(row["reopened"]), int(row["repeated"]), int(row["rated"]), float(row["rating"]) if row["rating"] is not None else None,
        float(row["hours"]) if row["hours"] is not None else None,
    )  # fmt: skip


def period_of(period: Period, at: datetime | None = None) -> tuple[datetime | None, datetime | None]:
    """From when to when: the last so many days up to the end of today, in the city's time; for `all` no bounds."""
    if period == "all":
        return None, None
    today = (at or now()).astimezone(CITY_ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=int(period) - 1), today + timedelta(days=1)


def scores(city: City, asker: Asker, wanted: Wanted, level: Level, at: datetime | None = None) -> tuple[Score, list[Score]]:
    """The figures of all events that are wanted and that the asker may see, and those of each unit of `level`."""
    with city.db.connection() as conn:
        rows = conn.execute(BY[level], params_of(conn, asker, wanted, at)).fetchall()
    whole = next(row for row in rows if row["whole"])
    return score_from(whole, Text(zh="合计", en="All")), [score_from(row, _title(row)) for row in rows if not row["whole"]]


def _title(row: dict[str, Any]) -> Text:
    zh = row["title_zh"] or "地点不明"
    return Text(zh=zh, en=row["title_en"] or (zh if row["title_zh"] else "Place not known"))


def weeks(city: City, asker: Asker, wanted: Wanted) -> list[dict[str, Any]]:
    """How many events there were in each week, and how many of them were closed in time."""
    with city.db.connection() as conn:
        return conn.execute(WEEKS, params_of(conn, asker, wanted)).fetchall()


def finer_level(city: City, of: Unit) -> Level:
    """What the map of a unit is divided into: grids where a town has outlines of them."""
    levels = FINER.get(of.kind, ("county",))
    return next((level for level in levels if city.db.one(HAS_AREAS, (of.path, level)) is not None), levels[-1])


def shapes_of(city: City, code: str, lang: Lang) -> dict[str, Any]:
    """The outlines of what a unit is divided into, as GeoJSON; a sketch (示意)."""
    of = unit(city, code)
    rows = city.db.all(AREAS, {"path": of.path, "level": finer_level(city, of)})
    if not rows:
        raise not_found(Text(zh="网格图", en="map of grids"), code)
    names = _names(rows, lang)
    features = [
        {"type": "Feature", "id": row["unit"], "properties": {"name": names[row["unit"]], "sample": row["sample"]}, "geometry": row["shape"]}
        for row in rows
    ]  # fmt: skip
    return {"type": "FeatureCollection", "features": features}


def _names(rows: list[dict[str, Any]], lang: Lang) -> dict[str, str]:
    said = {row["unit"]: Text(zh=row["title_zh"], en=row["title_en"]).in_(lang) for row in rows}
    double = {name for name in said.values() if list(said.values()).count(name) > 1}
    # A map knows its areas by name.
    return {code: f"{name} {code}" if name in double else name for code, name in said.items()}


def heat_map(city: City, asker: Asker, of: Unit, wanted: Wanted, metric: Metric, lang: Lang) -> dict[str, Any] | None:
    """The map of a unit as ECharts takes it: events of the period (heat) or those still open (backlog); None without outlines."""
    level = finer_level(city, of)
    rows = city.db.all(AREAS, {"path": of.path, "level": level})
    if not rows:
        return None
    names = _names(rows, lang)
    found = {score.unit: score for score in scores(city, asker, replace(wanted, unit=of.code), level)[1]}
    values = {code: (found[code].events if metric == "heat" else found[code].open) if code in found else 0 for code in names}
    return {
        "map": {"name": f"area-{of.code}", "url": f"/governance/map/{of.code}.geojson"},
        "links": {
            name: f"/events?{urlencode({'unit': code, **({'state': 'open'} if metric == 'backlog' else {})})}"
            if level in ("grid", "village")
            else f"/governance?{urlencode({'unit': code, 'show': metric})}"
            for code, name in names.items()
        },
        "tooltip": {"trigger": "item"},
        "visualMap": {"min": 0, "max": max([1, *values.values()]), "left": 4, "bottom": 4, "itemHeight": 70, "itemWidth": 12, "calculable": True, "inRange": {"color": [COOL, WARM]}},
        "series": [{
            "type": "map", "map": f"area-{of.code}", "data": [{"name": name, "value": values[code]} for code, name in names.items()],
            "selectedMode": False, "roam": False, "layoutCenter": ["54%", "50%"], "layoutSize": "104%",
            "label": {"show": len(names) <= 24, "fontSize": 10, "color": "#1d2b2f"},
            "itemStyle": {"borderColor": "#fff", "borderWidth": 1}, "emphasis": {"itemStyle": {"areaColor": "#f0a35a"}},
        }],
    }  # fmt: skip


def scores_csv(rows: list[Score]) -> str:
    """Scores as CSV with a byte order mark, for spreadsheets."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "unit",
            "title",
            "events",
            "open",
            "closed",
            "on_time",
            "on_time_share",
            "late",
            "reopened",
            "repeated",
            "rated",
            "rating",
            "median_hours",
        ]
    )
    for one in rows:
        share, rating, hours = one.on_time_share, one.rating, one.hours
        writer.writerow([
            one.unit or "", one.title.zh, one.events, one.open, one.closed, one.on_time, "" if share is None else f"{share:.4f}", one.late,
            one.reopened, one.repeated, one.rated, "" if rating is None else f"{rating:.2f}", "" if hours is None else f"{hours:.1f}",
        ])  # fmt: skip
    return "\ufeff" + out.getvalue()
