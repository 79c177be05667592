"""The pages of indicators: the monitor of the plan, and one indicator with its arithmetic."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from sanqu.cases.pages import units_named
from sanqu.ground.http import InCity, Language, Paging
from sanqu.ground.i18n import Lang, Text, say
from sanqu.ground.pages import render
from sanqu.indicators.assessment import pages as assessment
from sanqu.indicators.compare import compared
from sanqu.indicators.forecasting import forecast_of
from sanqu.indicators.keeping import figures_of, find_indicator, revisions_of, targets_of
from sanqu.indicators.monitor import Watched, chart_of, standings, to_csv, watch, watched
from sanqu.indicators.parts import Table, parts_of, periods_of, table_of
from sanqu.indicators.periods import parse_period
from sanqu.indicators.projects import pages as projects
from sanqu.indicators.reporting import pages as reporting

router = APIRouter(include_in_schema=False)
# Before the one that takes a code, so that no indicator hides them.
routers = (reporting.router, router, projects.router, assessment.router)

STANDINGS = ("reached", "on-track", "lagging", "at-risk", "unknown")


@router.get("/indicators")
def monitor(request: Request, city: InCity, page: Paging, group: str = "", standing: str = "") -> HTMLResponse:
    """Every indicator: base, newest figure, what the path asks for, the last target, how it stands."""
    everything = watch(city)
    found = _chosen(everything, group, standing)
    groups = {one.indicator.group.zh: one.indicator.group for one in everything if one.indicator.group.zh}
    return render(
        request, "indicators/monitor.html", rows=found[page.offset : page.offset + page.limit], total=len(found), page=page,
        any=bool(everything), groups=groups, group=group, standing=standing, standings=STANDINGS, counts=standings(everything),
    )  # fmt: skip


def _chosen(everything: list[Watched], group: str, standing: str) -> list[Watched]:
    return [one for one in everything if group in ("", one.indicator.group.zh) and standing in ("", one.outlook.standing)]


@router.get("/indicators.csv")
def export(city: InCity, group: str = "", standing: str = "") -> Response:
    """The same list with all figures and targets, as CSV."""
    said = to_csv(_chosen(watch(city), group, standing))
    # The mark lets spreadsheets read it as UTF-8.
    return Response("\ufeff" + said, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": 'attachment; filename="indicators.csv"'})


@router.get("/indicators/{code}")
def one(request: Request, city: InCity, lang: Language, code: str, period: str = "") -> HTMLResponse:
    """One indicator: chart, figures with whence they came, every revision, targets, its parts, the forecast."""
    indicator = find_indicator(city, code)
    seen, forecast = watched(indicator, figures_of(city, [code])[code], targets_of(city, [code])[code]), forecast_of(city, code)
    words = {name: say(f"indicators.{name}", lang) for name in ("figure", "path", "target", "forecast", "interval")}
    titles = {other.indicator.code: other.indicator.title for other in watch(city)}
    parts = parts_of(city, [code])[code]
    when = parse_period(period, code) if period else None
    tables = [(one, table) for one in indicator.dimensions if (table := table_of(parts, one.name, indicator.direction, additive=indicator.additive, whole=seen.values, period=when)) is not None]
    members = units_named(city, {row.member for one, table in tables if one.units for row in table.rows})
    return render(
        request, "indicators/indicator.html", seen=seen, one=indicator, chart_=chart_of(seen, lang, words, forecast), titles=titles,
        rows=compared(seen.values)[::-1], revisions=revisions_of(city, code), tables=tables, members=members, forecast=forecast,
        bars={table.dimension: bars_of(table, members, lang) for _, table in tables}, periods={one.name: periods_of(parts, one.name) for one, _ in tables},
    )  # fmt: skip


@router.get("/indicators/{code}/parts.csv")
def parts_file(city: InCity, code: str) -> Response:
    """Every figure of every part, as CSV."""
    find_indicator(city, code)
    lines = [",".join(("dimension", "member", "period", "value", "revision"))]
    for (dimension, member), figures in sorted(parts_of(city, [code])[code].items()):
        lines += [f'{dimension},"{member.replace(chr(34), chr(34) * 2)}",{period},{figure.value},{figure.revision}' for period, figure in sorted(figures.items())]
    return Response("\ufeff" + "\n".join(lines) + "\n", media_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{code}-parts.csv"'})


def bars_of(table: Table, members: dict[str, Text], lang: Lang) -> dict[str, Any]:
    """The parts as bars, the best on top."""
    rows = table.rows[:30][::-1]
    return {
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}}, "xAxis": {"type": "value"},
        "yAxis": {"type": "category", "data": [members[row.member].in_(lang) if row.member in members else row.member for row in rows]},
        "series": [{"type": "bar", "data": [row.value for row in rows], "barMaxWidth": 22, "label": {"show": True, "position": "right"}}],
    }  # fmt: skip
