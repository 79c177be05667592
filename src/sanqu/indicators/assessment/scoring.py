"""How values become points (计分). Pure rules; each says its arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sanqu.indicators.assessment.records import Change, Criterion

DIGITS = 2


@dataclass(frozen=True)
class Scored:
    """Points, and the sum that led to them, in figures that anybody can repeat."""

    points: float
    sum: str


def score(criterion: Criterion, values: Mapping[str, float | None], unit: str) -> Scored:
    """The points of `unit` for a criterion, among the values of all units; no value gives none.

    >>> criterion = Criterion(code="a", title="a", points=20, sql="x", method="linear", floor=50, ceiling=100)
    >>> score(criterion, {"x": 75.0}, "x")
    Scored(points=10.0, sum='20 × (75 − 50) ÷ (100 − 50) = 10')
    """
    value = values.get(unit)
    if value is None:
        return Scored(0.0, "— = 0")
    match criterion.method if criterion.measure == "query" else "linear":
        case "target":
            return _bounded(criterion, criterion.points * value / criterion.target, f"{_n(criterion.points)} × {_n(value)} ÷ {_n(criterion.target)}")
        case "per":
            return _bounded(criterion, criterion.each * value, f"{_n(criterion.each)} × {_n(value)}")
        case "rank":
            return _ranked(criterion, values, value)
    floor, ceiling = criterion.floor, criterion.ceiling
    raw = criterion.points * (value - floor) / (ceiling - floor)
    return _bounded(criterion, raw, f"{_n(criterion.points)} × ({_n(value)} − {_n(floor)}) ÷ ({_n(ceiling)} − {_n(floor)})")


def _ranked(criterion: Criterion, values: Mapping[str, float | None], value: float) -> Scored:
    """The first has all, the last `least` of them; the same value, the same points. `floor` above `ceiling` says that less is better."""
    known = [one for one in values.values() if one is not None]
    better = sum(one < value if criterion.floor > criterion.ceiling else one > value for one in known)
    rest = len(known) - 1
    share = 1.0 if rest <= 0 else 1 - (1 - criterion.least) * better / rest
    return _bounded(criterion, criterion.points * share, f"{_n(criterion.points)} × (1 − {_n(1 - criterion.least)} × {better} ÷ {max(rest, 1)})")


def _bounded(criterion: Criterion, raw: float, arithmetic: str) -> Scored:
    points = round(min(max(raw, 0.0), criterion.points), DIGITS)
    bound = "" if abs(raw - points) < 0.006 else f" = {_n(round(raw, DIGITS))} → {_n(points)}"
    return Scored(points, f"{arithmetic}{bound or f' = {_n(points)}'}")


def count(change: Change, times: float) -> Scored:
    """The points of a deduction (below zero) or bonus for so many times.

    >>> count(Change(code="a", title="a", kind="deduction", each=2, most=5), 3)
    Scored(points=-5.0, sum='−2 × 3 = −6 → −5')
    """
    sign = -1 if change.kind == "deduction" else 1
    raw = change.each * times
    points = round(min(raw, change.most), DIGITS)
    mark = "−" if sign < 0 else ""
    bound = "" if points == round(raw, DIGITS) else f" → {mark}{_n(points)}"
    return Scored(sign * points + 0.0, f"{mark}{_n(change.each)} × {_n(times)} = {mark if raw else ''}{_n(round(raw, DIGITS))}{bound}")


def ranks(totals: Mapping[str, float]) -> dict[str, int]:
    """The rank of each: the most points first, the same points the same rank (1, 2, 2, 4).

    >>> ranks({"a": 3, "b": 5, "c": 3, "d": 1})
    {'a': 2, 'b': 1, 'c': 2, 'd': 4}
    """
    return {unit: 1 + sum(other > total for other in totals.values()) for unit, total in totals.items()}


def _n(value: float) -> str:
    return f"{value:,.4f}".rstrip("0").rstrip(".")
