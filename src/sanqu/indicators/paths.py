"""The path to a target (目标路径): what should stand there by now, how that compares with what does, and what growth is still needed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sanqu.indicators.periods import Period

Direction = Literal["up", "down"]
# reached: the last target is met already; ahead: the path is; lagging: at least nine tenths of the way that should lie behind.
Standing = Literal["reached", "on-track", "lagging", "at-risk", "unknown"]
LAGGING_SHARE = 0.9


@dataclass(frozen=True)
class Outlook:
    """Where an indicator stands on its path.

    `expected` is what the path asks at `period`, `actual` what stood there; `gap` is actual − expected; `needed` the growth a
    year (0.12 is 12 %) that leads from `actual` to the last target, and `grown` the growth a year since the base. None where it
    cannot be said (no figure, a sign that changes, a target that lies behind).
    """

    standing: Standing
    period: Period | None = None
    actual: float | None = None
    expected: float | None = None
    gap: float | None = None
    needed: float | None = None
    grown: float | None = None


def yearly(start: float, end: float, years: float) -> float | None:
    """The growth a year (年均增速, CAGR) that leads from `start` to `end`; None where there is none.

    >>> round(yearly(155, 384.83, 4), 4)
    0.2553
    """
    if years <= 0 or start <= 0 or end <= 0:
        return None
    return float((end / start) ** (1 / years) - 1)


def expected_at(points: Mapping[Period, float], period: Period, *, share: bool) -> float | None:
    """What the path through `points` asks for at `period`; None outside of them.

    Quantities grow by the same rate each year, shares (`share`: percentages, and whatever is zero or below) by the same points.
    """
    known = sorted(points)
    if not known or period < known[0] or period.end > known[-1].end:
        return None
    place = bisect_left([one.end for one in known], period.end)
    after = known[place]
    if after.end == period.end:
        return points[after]
    before = known[place - 1]
    start, end, way = points[before], points[after], (period.end - before.end) / (after.end - before.end)
    if share or start <= 0 or end <= 0:
        return start + (end - start) * way
    return float(start * (end / start) ** way)


def outlook(
    figures: Mapping[Period, float], targets: Mapping[Period, float], direction: Direction, *, share: bool, lagging: float = LAGGING_SHARE
) -> Outlook:
    """Where the newest figure stands between the first figure (the base) and the targets."""
    if not figures or not targets:
        return Outlook("unknown")
    base, newest, last = min(figures), max(figures), max(targets)
    actual, aim = figures[newest], targets[last]
    points = {base: figures[base]} | {one: value for one, value in targets.items() if one > base}
    expected = expected_at(points, newest, share=share) if newest != base else None
    years = last.end - newest.end
    return Outlook(
        _standing(actual, expected, figures[base], aim, direction, lagging), newest, actual, expected,
        None if expected is None else actual - expected,
        yearly(actual, aim, years), yearly(figures[base], actual, newest.end - base.end),
    )  # fmt: skip


def _standing(actual: float, expected: float | None, base: float, aim: float, direction: Direction, lagging: float) -> Standing:
    sign = 1 if direction == "up" else -1
    if sign * (actual - aim) >= 0:
        return "reached"
    if expected is None:
        return "unknown"
    if sign * (actual - expected) >= 0:
        return "on-track"
    asked = sign * (expected - base)
    return "lagging" if asked > 0 and sign * (actual - base) >= lagging * asked else "at-risk"
