"""Lamps (亮灯): how a task stands beside the time that has gone by. A pure rule, shown on the page beside each lamp."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Literal

Lamp = Literal["done", "green", "yellow", "red", "unknown"]
# Points of percent behind the time that has gone by; no document says any: they are our proposal.
YELLOW_POINTS, RED_POINTS = 10.0, 25.0
# What was said longer ago says less: a green task that nobody spoke of for so long is yellow.
STALE = timedelta(days=140)
WORST: tuple[Lamp, ...] = ("red", "yellow", "unknown", "green", "done")


def expected(since: date, due: date, today: date) -> float:
    """How many percent should be done by `today` if the work went evenly from `since` to `due`.

    >>> expected(date(2021, 1, 1), date(2021, 12, 31), date(2021, 7, 2))
    50.0
    """
    whole = (due - since).days
    gone = (today - since).days
    return 100.0 if whole <= 0 or gone >= whole else round(max(0.0, 100.0 * gone / whole), 1)


def lamp_of(percent: int | None, since: date, due: date, today: date, said_on: date | None = None) -> Lamp:
    """The lamp of one task; `unknown` where nothing was ever reported and it is not due yet."""
    if percent is not None and percent >= 100:
        return "done"
    if today > due:
        return "red"
    if percent is None:
        return "unknown"
    behind = expected(since, due, today) - percent
    if behind > RED_POINTS:
        return "red"
    stale = said_on is not None and today - said_on > STALE
    return "yellow" if behind > YELLOW_POINTS or stale else "green"


def worst(lamps: Iterable[Lamp]) -> Lamp:
    """The lamp of the whole: the worst of its parts; `unknown` without any."""
    return min(lamps, key=WORST.index, default="unknown")


def percent_of(parts: Iterable[tuple[int | None, float]]) -> float | None:
    """The weighted percent of tasks given as (percent, weight); what was not reported counts 0; None without tasks or any report.

    >>> percent_of([(100, 1), (None, 1), (50, 2)])
    50.0
    """
    known = list(parts)
    total = sum(weight for _, weight in known)
    if not known or total <= 0 or all(percent is None for percent, _ in known):
        return None
    return round(sum((percent or 0) * weight for percent, weight in known) / total, 1)
