"""The monitor (规划监测): every indicator with its path, its newest figure and what is still to be done; how many stand how."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.i18n import Lang
from sanqu.indicators.compare import compared, growth_a_year
from sanqu.indicators.forecasting import Ahead, Forecast
from sanqu.indicators.keeping import figures_of, list_indicators, targets_of
from sanqu.indicators.paths import Outlook, expected_at, outlook
from sanqu.indicators.periods import Period, parse_period
from sanqu.indicators.records import Figure, Indicator, Target


@dataclass(frozen=True)
class Watched:
    """One indicator with all that is known of it."""

    indicator: Indicator
    figures: dict[Period, Figure]
    targets: dict[Period, Target]
    outlook: Outlook

    @property
    def values(self) -> dict[Period, float]:
        """Its figures as numbers."""
        return {period: one.value for period, one in self.figures.items()}

    @property
    def base(self) -> Period | None:
        """Where the path begins; None without a figure there or later."""
        since = parse_period(self.indicator.base, self.indicator.code) if self.indicator.base else None
        return min((period for period in self.figures if since is None or period >= since), default=None)

    @property
    def growth_a_year(self) -> float | None:
        """The growth a year from the first figure to the newest; none for shares."""
        return None if self.indicator.share else growth_a_year(self.values)


def watch(city: City) -> list[Watched]:
    """All indicators, in their order."""
    indicators = list_indicators(city)
    codes = [one.code for one in indicators]
    figures, targets = figures_of(city, codes), targets_of(city, codes)
    return [watched(one, figures[one.code], targets[one.code]) for one in indicators]


def watched(indicator: Indicator, figures: dict[Period, Figure], targets: dict[Period, Target]) -> Watched:
    """One indicator beside its path."""
    one = Watched(indicator, figures, targets, Outlook("unknown"))
    since = {period: value for period, value in one.values.items() if one.base is not None and period >= one.base}
    aims = {period: aim.value for period, aim in targets.items()}
    return replace(one, outlook=outlook(since, aims, indicator.direction, share=indicator.share, lagging=indicator.lagging))


def standings(all_: list[Watched]) -> Counter[str]:
    """How many stand how, of those that have a target."""
    return Counter(one.outlook.standing for one in all_ if one.targets)


def path_of(one: Watched) -> dict[Period, float]:
    """What the path asks for in each year from the base to the last target; empty without either."""
    base = one.base
    if base is None or not one.targets:
        return {}
    points = {base: one.figures[base].value} | {period: aim.value for period, aim in one.targets.items() if period > base}
    years = [Period("A", year) for year in range(base.year, max(points).year + 1)]
    asked = {year: expected_at(points, year, share=one.indicator.share) for year in years}
    return {year: value for year, value in asked.items() if value is not None}


def chart_of(one: Watched, lang: Lang, words: dict[str, str], ahead: Forecast | None = None) -> dict[str, Any] | None:
    """Figures, path, targets and the forecast with its interval as ECharts takes them; None where there is nothing to draw."""
    path = path_of(one)
    coming = {parse_period(each.period): each for each in ahead.ahead} if ahead is not None else {}
    periods = sorted({*one.figures, *one.targets, *path, *coming})
    if not one.figures or len(periods) < 2:
        return None

    def line(values: dict[Period, float]) -> list[float | None]:
        return [None if period not in values else round(values[period], one.indicator.digits) for period in periods]

    aims = {period: aim.value for period, aim in one.targets.items()}
    series: list[dict[str, Any]] = [{"type": "bar", "name": words["figure"], "data": line(one.values), "barMaxWidth": 36, "label": {"show": True, "position": "top"}}]
    if path:
        series.append({"type": "line", "name": words["path"], "data": line(path), "symbol": "none", "lineStyle": {"type": "dashed"}, "connectNulls": True})
    if aims:
        series.append({"type": "scatter", "name": words["target"], "data": line(aims), "symbol": "diamond", "symbolSize": 13, "label": {"show": True, "position": "top"}})
    if coming:
        newest = max(one.figures)
        series += _coming(newest, one.values[newest], coming, line, words)
    return {
        "xAxis": {"type": "category", "data": [str(period) for period in periods]},
        "yAxis": {"type": "value", "name": one.indicator.unit.in_(lang)},
        "legend": {"bottom": 0}, "tooltip": {"trigger": "axis"}, "series": series,
    }  # fmt: skip


def _coming(newest: Period, value: float, coming: dict[Period, Ahead], line: Callable[[dict[Period, float]], Any], words: dict[str, str]) -> list[dict[str, Any]]:
    """The forecast as a dotted line from the newest figure on, with a band in which 80 of a hundred would lie."""
    middle = {newest: value} | {period: each.value for period, each in coming.items()}
    found = [{"type": "line", "name": words["forecast"], "data": line(middle), "symbolSize": 5, "lineStyle": {"type": "dotted"}, "connectNulls": True}]
    low = {period: each.low80 for period, each in coming.items() if each.low80 is not None}
    if low:
        wide = {period: each.high80 - each.low80 for period, each in coming.items() if each.low80 is not None and each.high80 is not None}
        band = {"type": "line", "stack": "interval", "symbol": "none", "lineStyle": {"opacity": 0}, "connectNulls": False}
        found += [band | {"name": words["interval"], "data": line({newest: value} | low), "tooltip": {"show": False}}, band | {"name": words["interval"], "data": line({newest: 0.0} | wide), "areaStyle": {"opacity": 0.15}}]
    return found


COLUMNS = ("code", "title_zh", "title_en", "unit", "period", "value", "kind", "comparator", "on_year", "revision")


def to_csv(all_: list[Watched]) -> str:
    """Every figure and target, one a line, as CSV."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for one in all_:
        told = (one.indicator.code, one.indicator.title.zh, one.indicator.title.en, one.indicator.unit.zh)
        growths = {seen.period: seen.on_year for seen in compared(one.values)}
        for period, figure in sorted(one.figures.items()):
            writer.writerow((*told, period, figure.value, "actual", "", growths[period], figure.revision))
        for period, aim in sorted(one.targets.items()):
            writer.writerow((*told, period, aim.value, "target", aim.comparator, "", ""))
    return out.getvalue()
