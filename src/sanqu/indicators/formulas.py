"""Formulas over other indicators: what they name, in what order they are worked out, and what they give."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from sanqu.cases.conditions import FUNCTIONS, LITERALS, parse_condition, value_of
from sanqu.ground.errors import BadInput, Conflict
from sanqu.ground.i18n import Text
from sanqu.indicators.records import Indicator


def names_in(formula: str, thing: str) -> frozenset[str]:
    """The indicators that a formula names; raises `BadInput` for what is not in the language of formulas (that of cases)."""
    tree = parse_condition(formula, thing)
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)) - FUNCTIONS.keys() - LITERALS.keys()


def in_order(indicators: Iterable[Indicator]) -> list[Indicator]:
    """Each after those its formulas name; raises `BadInput` for a name that is not there and for a round."""
    known = {one.code: one for one in indicators}
    graph: dict[str, frozenset[str]] = {}
    for one in known.values():
        graph[one.code] = frozenset().union(*(names_in(way.formula, one.code) for way in one.ways if way.formula))
        missing = sorted(graph[one.code] - known.keys())
        if missing:
            raise BadInput(
                "indicators.unknown",
                Text(zh=f"公式用到没有的指标：{'、'.join(missing)}", en=f"The formula names indicators that are not there: {', '.join(missing)}"),
                Text(zh="改正公式，或先定义它们", en="Mend the formula, or define them first"),
                one.code,
            )
    try:
        return [known[code] for code in TopologicalSorter(graph).static_order()]
    except CycleError as round_:
        way = " → ".join(round_.args[1])
        raise BadInput(
            "indicators.round",
            Text(zh=f"公式绕成一圈：{way}", en=f"The formulas go round in a circle: {way}"),
            Text(zh="其中一个改用查询", en="Let one of them be a query"),
            str(round_.args[1][0]),
        ) from round_


def worked_out(formula: str, figures: Mapping[str, float], thing: str) -> float | None:
    """What the formula gives for these figures; None where it cannot be calculated (a division by zero, say)."""
    try:
        found = value_of(formula, dict(figures), thing)
    except Conflict:
        return None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
