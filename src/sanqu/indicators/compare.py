"""Comparisons (对比): with the period before, with the year before, with the whole, with peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sanqu.indicators.paths import Direction, yearly
from sanqu.indicators.periods import PARTS, Period


@dataclass(frozen=True)
class Compared:
    """One figure beside those before it: growth as a share (0.3 is 30 %), None where there is nothing to compare it with."""

    period: Period
    value: float
    on_year: float | None
    on_period: float | None


def growth(value: float, before: float | None) -> float | None:
    """By what share `value` is more than `before`; None without one, or where it is zero or below."""
    return None if before is None or before <= 0 else value / before - 1


def compared(figures: Mapping[Period, float]) -> list[Compared]:
    """Each figure with 同比 (on the same period of the year before) and 环比 (on the period before), the oldest first."""
    return [
        Compared(
            period, value, growth(value, figures.get(period.year_before)),
            None if PARTS[period.kind] == 1 else growth(value, figures.get(period.before)),
        )
        for period, value in sorted(figures.items())
    ]  # fmt: skip


def growth_a_year(figures: Mapping[Period, float]) -> float | None:
    """The growth a year (年均增速) from the first figure to the last."""
    if len(figures) < 2:
        return None
    first, last = min(figures), max(figures)
    return yearly(figures[first], figures[last], last.end - first.end)


def shares(parts: Mapping[str, float]) -> dict[str, float]:
    """What share of their sum each part is; empty where they add up to nothing."""
    whole = sum(parts.values())
    return {name: value / whole for name, value in parts.items()} if whole else {}


def contributions(now: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """How many points of the growth of the whole each part gave (拉动): they add up to the growth of the whole."""
    whole = sum(before.values())
    names = [*now, *(name for name in before if name not in now)]
    return {name: (now.get(name, 0.0) - before.get(name, 0.0)) / whole for name in names} if whole > 0 else {}


def ranks(values: Sequence[tuple[str, float]], direction: Direction) -> dict[str, int]:
    """The place of each among its peers, 1 the best; equals share a place, and the next is left out (1, 2, 2, 4)."""
    better = sorted((value for _, value in values), reverse=direction == "up")
    return {name: better.index(value) + 1 for name, value in values}
