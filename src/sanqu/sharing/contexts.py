"""What a query does with an item at each place that names it; whatever is not clearly less is a plain read."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from sanqu.lake.contracts import Use
from sanqu.sharing.resolve import Occurrence

# Aggregates in which one value among many does not show; the smallest, the largest, a median or a list would show it.
ADDING_UP = (
    exp.Sum, exp.Avg, exp.Count, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance, exp.VariancePop,
)  # fmt: skip
COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
# What a stated use also allows: what may be compared may be matched.
ALLOWS: dict[Use, frozenset[Use]] = {
    "plain": frozenset({"plain", "compare", "join", "group", "aggregate"}),
    "compare": frozenset({"compare", "join"}),
    "join": frozenset({"join"}),
    "group": frozenset({"group"}),
    "aggregate": frozenset({"aggregate"}),
}


def allows(uses: Iterable[Use], context: Use) -> bool:
    """Whether an item that may be put to `uses` may stand in `context`."""
    return any(context in ALLOWS[use] for use in uses)


def context_of(occurrence: Occurrence, restricted: frozenset[int]) -> Use:
    """What the query does with the item at this place.

    `restricted` are the ids of the columns whose items may not be read in plain: to compare or match means with another
    such item, for a value that is compared with something known is soon known itself.
    """
    column, select = occurrence.column, occurrence.select
    if occurrence.select is not occurrence.owner or not isinstance(select, exp.Select):
        # A subquery that looks outward runs once per row: nothing is added up or grouped there.
        return "plain"
    if summed(column) is not None:
        return "aggregate"
    if _names_group(column, select):
        return "group"
    other = _compared_with(column)
    if other is not None and id(other) in restricted:
        return "join" if _joins(column.parent, select) else "compare"
    return "plain"


def summed(column: exp.Column) -> exp.AggFunc | None:
    """The aggregate that adds `column` up, as it is.

    Whatever is computed before adding up lets one row outweigh or stand for the rest: a condition, an empty value beside
    it, a factor that makes large values overflow and so tells of the largest. What is computed after may be anything.
    """
    node: exp.Expr = column
    while isinstance(node.parent, exp.Paren):
        node = node.parent
    above = node.parent
    if isinstance(above, exp.Distinct) and isinstance(above.parent, exp.Count) and len(above.expressions) == 1:
        node, above = above, above.parent
    if (
        not isinstance(above, ADDING_UP)
        or node is not above.this
        or any(value for key, value in above.args.items() if key == "expressions")
    ):
        return None
    return None if isinstance(above.parent, exp.Window) or _in_window(above) else above


def _in_window(aggregate: exp.Expr) -> bool:
    above = aggregate.parent
    return isinstance(above, exp.Filter) and isinstance(above.parent, exp.Window)


def _names_group(column: exp.Column, select: exp.Select) -> bool:
    """Whether the column is a group's name: in GROUP BY itself, or put out or sorted by as it is."""
    group = select.args.get("group")
    if group is None or any(group.args.get(kind) for kind in ("all", "rollup", "cube", "grouping_sets", "totals")):
        return False
    if select.args.get("qualify") or select.args.get("distinct"):
        return False
    named = [named for named in group.expressions if isinstance(named, exp.Column) and named == column]
    if not named:
        return False
    above = column.parent
    if above is group or above is select:
        return True
    if isinstance(above, exp.Alias):
        return above.parent is select
    return isinstance(above, exp.Ordered) and above.parent is select.args.get("order")


def _compared_with(column: exp.Column) -> exp.Column | None:
    above = column.parent
    if not isinstance(above, COMPARISONS):
        return None
    other = above.expression if above.this is column else above.this
    return other if isinstance(other, exp.Column) else None


def _joins(comparison: exp.Expr | None, select: exp.Select) -> bool:
    """Whether an equality is one of the conditions on which two tables are joined."""
    if not isinstance(comparison, exp.EQ):
        return False
    node: exp.Expr = comparison
    while isinstance(node.parent, exp.And | exp.Paren):
        node = node.parent
    above = node.parent
    return isinstance(above, exp.Join) and above.args.get("on") is node and above.parent is select and above.side == ""
