"""Figures to which one subject can add only so much: at most so many rows, each value within declared bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from sanqu.lake.allowed import DIALECT
from sanqu.sandbox.checks import SideQueries, own, who
from sanqu.sandbox.shape import Figure, Shape, Unclear
from sanqu.sharing.rewrite import ROW, Source

# Values are added up as whole numbers, of which the larger bound is this many: floats would tell by their rounding.
STEPS = 2**20
MOST_ROWS = 1000
# What cannot be: a bound as large as this adds up past a whole number of 64 bits.
LARGEST_BOUND = 1e15

PartKind = Literal["count", "sum"]


@dataclass(frozen=True)
class Part:
    """One column of whole numbers: rows counted, or values added up in steps of `unit`; `most` is what a subject adds at most."""

    kind: PartKind
    most: int
    unit: float = 1.0


@dataclass(frozen=True)
class Output:
    """One column of the answer: a key of the groups, or a figure made of one or two parts (a mean: sum and count)."""

    name: str
    kind: Literal["key", "count", "sum", "avg"]
    at: int
    bounds: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Bounded:
    """A SELECT that gives keys `k0…` and parts `p0…`, a row a group that has rows, and what the answer is made of."""

    text: str
    keys: int
    parts: tuple[Part, ...]
    outputs: tuple[Output, ...]


def bounded(side: SideQueries, bounds: Mapping[str, tuple[float, float]], rows: int, groups: Sequence[Sequence[str]]) -> Bounded:
    """The query's figures with at most `rows` rows of each subject, counted after all joins.

    `bounds` are by item; `groups` are the keys of the groups to be told, known to everyone beforehand. Raises `Unclear`
    where a row cannot be said to be one subject's, or a figure has no bounds.
    """
    return _Bounding(side, bounds, rows, groups).make()


class _Bounding:
    def __init__(
        self, side: SideQueries, bounds: Mapping[str, tuple[float, float]], rows: int, groups: Sequence[Sequence[str]]
    ) -> None:
        self._side, self._shape, self._bounds, self._rows, self._groups = side, side.shape, bounds, rows, groups
        self._parts: list[Part] = []
        self._sums: list[str] = []
        self._values: list[exp.Expr] = []

    def make(self) -> Bounded:
        shape = self._shape
        for name in ("having", "order", "limit", "offset"):
            if shape.tree.args.get(name):
                raise Unclear(name.upper())
        subject = subject_table(shape, self._side.sources)
        if bool(shape.keys) != bool(self._groups) or any(len(one) != len(shape.keys) for one in self._groups):
            raise Unclear("GROUP BY")
        outputs = tuple(self._output(one) for one in shape.tree.expressions)
        if not self._parts:
            raise Unclear("SELECT")
        return Bounded(self._text(subject), len(shape.keys), tuple(self._parts), outputs)

    def _output(self, node: exp.Expr) -> Output:
        name, bare = node.alias_or_name, node.unalias()
        if bare in self._shape.keys:
            return Output(name, "key", self._shape.keys.index(bare))
        figure = next((one for one in self._shape.figures if one.node is bare), None)
        if figure is None:
            raise Unclear(bare.sql_name() if isinstance(bare, exp.Func) else bare.key.upper())
        at = len(self._parts)
        match figure.kind:
            case "count":
                self._count(figure)
                return Output(name, "count", at)
            case "sum" | "avg":
                bounds = self._bounds_of(figure)
                self._sum(figure, bounds)
                if figure.kind == "avg":
                    self._count(figure)
                return Output(name, figure.kind, at, bounds)
        raise Unclear("COUNT(DISTINCT)")

    def _bounds_of(self, figure: Figure) -> tuple[float, float]:
        assert figure.of is not None
        bounds = self._bounds.get(figure.of.item)
        if bounds is None or not -LARGEST_BOUND <= bounds[0] < bounds[1] <= LARGEST_BOUND:
            raise Unclear(f"bounds.{figure.of.item}")
        return bounds

    def _count(self, figure: Figure) -> None:
        column = "*" if figure.of is None else self._value(figure.of.column)
        self._sums.append(f"count({column})")
        self._parts.append(Part("count", self._rows))

    def _sum(self, figure: Figure, bounds: tuple[float, float]) -> None:
        assert figure.of is not None
        low, high = bounds
        unit = max(abs(low), abs(high)) / STEPS
        clamped = f"least(greatest(CAST({self._value(figure.of.column)} AS DOUBLE), {_number(low)}), {_number(high)})"
        self._sums.append(f"CAST(coalesce(sum(CAST(round({clamped} / {_number(unit)}) AS BIGINT)), 0) AS BIGINT)")
        self._parts.append(Part("sum", self._rows * STEPS, unit))

    def _value(self, column: exp.Expr) -> str:
        self._values.append(column)
        return f"v{len(self._values) - 1}"

    def _text(self, subject: exp.Table) -> str:
        names = [f"k{number}" for number in range(len(self._shape.keys))]
        keys = [
            exp.cast(key.copy(), "TEXT", dialect=DIALECT).as_(name) for key, name in zip(self._shape.keys, names, strict=True)
        ]
        values = [value.copy().as_(f"v{number}") for number, value in enumerate(self._values)]
        # Which of a subject's rows are kept hangs on nobody else's rows.
        order = exp.func("hash", own(subject, ROW), dialect=DIALECT).as_("h")
        inner = self._side.select([*keys, *values, who(subject).as_("w"), order], [])
        told = f" WHERE ({', '.join(names)}) IN ({', '.join(map(_tuple, self._groups))})" if names else ""
        kept = f"SELECT *, row_number() OVER (PARTITION BY w ORDER BY h) AS n FROM ({inner}){told}"
        columns = ", ".join([*names, *(f"{text} AS p{number}" for number, text in enumerate(self._sums))])
        group = f" GROUP BY {', '.join(names)}" if names else ""
        return f"SELECT {columns} FROM ({kept}) WHERE n <= {self._rows:d}{group}"


def _number(value: float) -> str:
    return f"CAST('{float(value)!r}' AS DOUBLE)"


def _tuple(group: Sequence[str]) -> str:
    return f"({', '.join(exp.Literal.string(one).sql(DIALECT) for one in group)})"


def subject_table(shape: Shape, sources: Mapping[str, Source]) -> exp.Table:
    """The table whose subject is the one that every row of the query is about; raises `Unclear` where there is none.

    What may not be seen must be joined by whom it is about: then all of a row is one subject's, and nobody else's rows
    decide which of them are there. A LEFT JOIN may leave out what it joins, never whom the row is about.
    """
    optional = {str(join.this.alias_or_name) for join in shape.tree.args.get("joins") or () if join.side == "LEFT"}
    guarded = {table.alias_or_name: (table, dataset) for table, dataset in shape.guarded}
    first = next((table for table, _ in shape.guarded if table.alias_or_name not in optional), None)
    if first is None:
        raise Unclear("LEFT JOIN")
    linked = {first.alias_or_name}
    while True:
        more = {
            one
            for left, right in shape.joined
            for one, other in ((left, right), (right, left))
            if one.table in guarded and one.table not in linked and other.table in linked
            and _is_subject(one, shape, sources) and _is_subject(other, shape, sources)
        }  # fmt: skip
        if not more:
            break
        linked |= {column.table for column in more}
    apart = set(guarded) - linked
    if apart:
        raise Unclear(f"JOIN {guarded[min(apart)][1]}")
    return first


def _is_subject(column: exp.Column, shape: Shape, sources: Mapping[str, Source]) -> bool:
    """Whether the column names, unmasked, whose data a row of its dataset is."""
    one = shape.occurrences.get(id(column))
    if one is None:
        return False
    source = sources[one.dataset]
    return source.contract.subject_items == (one.item,) and not source.basis.rules[one.item].masks
