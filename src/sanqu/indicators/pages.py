"""The pages of indicators: the monitor of the plan, and one indicator with its arithmetic."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from sanqu.ground.http import InCity, Language, Paging
from sanqu.ground.i18n import say
from sanqu.ground.pages import render
from sanqu.indicators.assessment import pages as assessment
from sanqu.indicators.compare import compared
from sanqu.indicators.keeping import figures_of, find_indicator, revisions_of, targets_of
from sanqu.indicators.monitor import Watched, chart_of, standings, to_csv, watch, watched
from sanqu.indicators.projects import pages as projects

router = APIRouter(include_in_schema=False)
routers = (router, projects.router, assessment.router)

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
def one(request: Request, city: InCity, lang: Language, code: str) -> HTMLResponse:
    """One indicator: chart, figures with whence they came, every revision, targets."""
    indicator = find_indicator(city, code)
    seen = watched(indicator, figures_of(city, [code])[code], targets_of(city, [code])[code])
    words = {name: say(f"indicators.{name}", lang) for name in ("figure", "path", "target")}
    titles = {other.indicator.code: other.indicator.title for other in watch(city)}
    return render(
        request, "indicators/indicator.html", seen=seen, one=indicator, chart_=chart_of(seen, lang, words), titles=titles,
        rows=compared(seen.values)[::-1], revisions=revisions_of(city, code),
    )  # fmt: skip
