"""Reads a query as a table of figures, where it is one: keys, figures over them, conditions; all else a person must look at.

Whatever is computed before adding up may outweigh or single out a row, and whatever may fail tells by failing; so keys,
figures and conditions are taken only where neither can be. What is computed from finished figures may be anything simple.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from sanqu.sandbox.records import Upload
from sanqu.sandbox.uploads import PREFIX
from sanqu.sharing.masks import masked_type
from sanqu.sharing.resolve import Occurrence, Resolved
from sanqu.sharing.rewrite import Source

FigureKind = Literal["count", "distinct", "sum", "avg"]
# What types can be compared with each other without a conversion that may fail.
CLASSES = {
    "BIGINT": "number", "INTEGER": "number", "DOUBLE": "number", "VARCHAR": "text", "BOOLEAN": "truth", "DATE": "day",
    "TIMESTAMP": "day", "TIME": "time",
}  # fmt: skip
# What may be taken of one column as a key or in a condition: never fails, whatever the value, where the type fits.
OF_TEXT = (exp.Lower, exp.Upper, exp.Left, exp.Right, exp.Length, exp.Substring, exp.Trim)
OF_DAYS = (
    exp.Year, exp.Month, exp.Day, exp.Quarter, exp.Week, exp.DayOfWeek, exp.DateTrunc, exp.TimestampTrunc, exp.Extract,
)  # fmt: skip
OF_NUMBERS = (exp.Floor, exp.Ceil, exp.Round, exp.Abs)
AFTERWARDS = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Paren, exp.Round, exp.Coalesce, exp.Nullif, exp.Alias)
JUDGED = (exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.Between, exp.Paren)
COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
PARTS = frozenset(
    {
        "expressions",
        "from_",
        "joins",
        "where",
        "group",
        "having",
        "order",
        "limit",
        "offset",
        "with_",
        "kind",
        "hint",
        "operation_modifiers",
    }
)
MOST_CONDITIONS = 8
# With more digits a threshold is moved until a refusal tells somebody's value to the last of them.
DIGITS = 3


class Unclear(Exception):
    """The query is no such table; `what` names the place, and never anything that depends on the data."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


@dataclass(frozen=True)
class Figure:
    """One figure: what it is, the aggregate's node, and the item it is about (None: it counts rows)."""

    kind: FigureKind
    node: exp.Expr
    of: Occurrence | None


@dataclass(frozen=True)
class Shape:
    """A table of figures. `guarded` are the places where what may not be seen is read; each stands for its subjects."""

    tree: exp.Select
    tables: tuple[tuple[exp.Table, str], ...]
    guarded: tuple[tuple[exp.Table, str], ...]
    keys: tuple[exp.Expr, ...]
    figures: tuple[Figure, ...]
    conditions: tuple[exp.Expr, ...]
    # Pairs of columns on which tables are joined.
    joined: tuple[tuple[exp.Column, exp.Column], ...]
    occurrences: Mapping[int, Occurrence]

    # Guarded texts by whose values the query picks subjects: each in a condition, and together those on which a table of
    # the asker's own is joined.
    naming: tuple[tuple[exp.Column, ...], ...]


def read_shape(resolved: Resolved, sources: Mapping[str, Source], uploads: Sequence[Upload], *, coarse: bool = True) -> Shape:
    """The shape of a query; raises `Unclear`. `coarse`: what is measured is compared with numbers of few digits only."""
    return _Reader(resolved, sources, uploads, coarse).read()


def read_rows(resolved: Resolved, sources: Mapping[str, Source], uploads: Sequence[Upload]) -> Shape:
    """The shape of a query of rows, each of which says whose it is; raises `Unclear`. Its keys and figures are none."""
    return _Reader(resolved, sources, uploads).read_rows()


class _Reader:
    def __init__(self, resolved: Resolved, sources: Mapping[str, Source], uploads: Sequence[Upload], coarse: bool = True) -> None:
        self._resolved, self._sources, self._coarse = resolved, sources, coarse
        self._occurrences = {id(one.column): one for one in resolved.occurrences}
        self._uploads = {PREFIX + one.name: one for one in uploads}
        self._brought: dict[str, Upload] = {}
        self._joined: list[tuple[exp.Column, exp.Column]] = []
        self._conditions: list[exp.Expr] = []

    def read(self) -> Shape:
        tree = self._resolved.tree
        if not isinstance(tree, exp.Select):
            raise Unclear(tree.key.upper())
        self._check_parts(tree)
        self._read_sources(tree)
        where = tree.args.get("where")
        if where is not None:
            self._read_condition(where.this)
        if len(self._conditions) > MOST_CONDITIONS:
            raise Unclear("WHERE")
        group = tree.args.get("group")
        keys = tuple(group.expressions) if group is not None else ()
        for key in keys:
            self._class_of(key)
        return self._shape(tree, keys, self._read_outputs(tree, keys))

    def read_rows(self) -> Shape:
        tree = self._resolved.tree
        if not isinstance(tree, exp.Select):
            raise Unclear(tree.key.upper())
        self._check_parts(tree)
        for name in ("group", "having", "order", "limit", "offset"):
            if tree.args.get(name):
                raise Unclear(name.upper())
        folded = next((node for node in tree.walk() if isinstance(node, exp.AggFunc | exp.Window)), None)
        if folded is not None:
            raise Unclear(folded.sql_name() if isinstance(folded, exp.Func) else folded.key.upper())
        return self._shape(tree, (), ())

    def _shape(self, tree: exp.Select, keys: tuple[exp.Expr, ...], figures: Sequence[Figure]) -> Shape:
        tables = self._resolved.tables
        guarded = tuple((table, name) for table, name in tables if self._sources[name].basis.ground != "open")
        return Shape(
            tree, tables, guarded, keys, tuple(figures), tuple(self._conditions), tuple(self._joined), self._occurrences, self._naming()
        )  # fmt: skip

    def _naming(self) -> tuple[tuple[exp.Column, ...], ...]:
        texts = [
            (column,) for condition in self._conditions if not isinstance(condition, exp.Is)
            for column in condition.find_all(exp.Column) if self._is_guarded_item(column) and self._class_of(column) == "text"
        ]  # fmt: skip
        own = tuple(
            one for pair in self._joined for one, other in (pair, pair[::-1])
            if self._is_guarded_item(one) and id(other) not in self._occurrences
        )  # fmt: skip
        return (*texts, *([own] if own else []))

    def _is_guarded_item(self, column: exp.Column) -> bool:
        one = self._occurrences.get(id(column))
        return one is not None and self._sources[one.dataset].basis.ground != "open"

    def _check_parts(self, tree: exp.Select) -> None:
        for name, value in tree.args.items():
            if value and name not in PARTS:
                raise Unclear(name.upper())
        group = tree.args.get("group")
        if group is not None and any(value for key, value in group.args.items() if key != "expressions"):
            raise Unclear("GROUP BY")
        with_ = tree.args.get("with_")
        for cte in with_.expressions if with_ is not None else ():
            if str(cte.alias) not in self._uploads:
                raise Unclear(f"WITH {cte.alias}")
        for node in tree.walk():
            if isinstance(node, exp.Query) and node is not tree and node.find_ancestor(exp.CTE) is None:
                raise Unclear("(SELECT …)")

    def _read_sources(self, tree: exp.Select) -> None:
        from_ = tree.args.get("from_")
        if from_ is None:
            raise Unclear("FROM")
        self._read_table(from_.this)
        for join in tree.args.get("joins") or ():
            self._read_table(join.this)
            if join.side not in ("", "LEFT") or join.kind not in ("", "INNER", "OUTER") or join.args.get("method"):
                raise Unclear(f"{join.side} {join.kind} JOIN".strip())
            on = join.args.get("on")
            if on is None:
                raise Unclear("JOIN")
            for part in on.flatten() if isinstance(on, exp.And) else [on]:
                self._read_join(part.unnest())

    def _read_table(self, table: exp.Expr) -> None:
        if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
            raise Unclear("FROM")
        upload = self._uploads.get(table.name)
        if upload is not None:
            self._brought[table.alias_or_name] = upload

    def _read_join(self, part: exp.Expr) -> None:
        if not isinstance(part, exp.EQ) or not isinstance(part.this, exp.Column) or not isinstance(part.expression, exp.Column):
            raise Unclear("ON")
        if self._class_of(part.this) != self._class_of(part.expression):
            raise Unclear("ON")
        self._joined.append((part.this, part.expression))

    def _read_condition(self, node: exp.Expr) -> None:
        node = node.unnest()
        match node:
            case exp.And() | exp.Or():
                self._read_condition(node.this)
                self._read_condition(node.expression)
            case exp.Not():
                self._read_condition(node.this)
            case exp.Boolean():
                return
            case _:
                self._check_atom(node)
                self._conditions.append(node)

    def _check_atom(self, node: exp.Expr) -> None:
        match node:
            case exp.Column() if self._class_of(node) == "truth":
                return
            case exp.Is() if isinstance(node.expression, exp.Null | exp.Boolean):
                self._class_of(node.this)
                return
            case exp.In() if node.expressions and not (
                node.args.get("query") or node.args.get("unnest") or node.args.get("field")
            ):
                self._agree(node.this, *node.expressions)
                return
            case exp.Between():
                self._agree(node.this, node.args["low"], node.args["high"])
                return
            case exp.Like() | exp.ILike() if isinstance(node.expression, exp.Literal) and self._class_of(node.this) == "text":
                return
        if not isinstance(node, COMPARISONS):
            raise Unclear("WHERE")
        self._agree(node.this, node.expression)

    def _agree(self, *operands: exp.Expr) -> None:
        """Operands are of one class, where a literal in quotes fits any class: it is converted before a row is read."""
        found = {self._class_of(one) for one in operands} - {"quoted"}
        if len(found) > 1:
            raise Unclear("WHERE")
        if self._coarse and any(self._measures(one) for one in operands):
            for one in operands:
                self._check_coarse(one.unnest())

    def _measures(self, operand: exp.Expr) -> bool:
        """Whether the operand is a guarded number that is measured, and no year or part of a date."""
        for column in operand.find_all(exp.Column):
            if self._is_guarded_item(column) and self._class_of(column) == "number":
                one = self._occurrences[id(column)]
                return self._sources[one.dataset].contract.field(one.item).type != "year"
        return False

    def _check_coarse(self, operand: exp.Expr) -> None:
        """A measured number stands beside numbers of few digits and beside items; one brought along has as many as it likes."""
        literal = operand.this if isinstance(operand, exp.Neg | exp.Cast) else operand
        if isinstance(literal, exp.Literal):
            digits = literal.name.lower().partition("e")[0].replace(".", "").strip("0+-")
            if len(digits) > DIGITS:
                raise Unclear(literal.name)
        elif any(id(column) not in self._occurrences for column in operand.find_all(exp.Column)):
            raise Unclear(operand.sql("duckdb"))

    def _class_of(self, node: exp.Expr) -> str:
        node = node.unnest()
        match node:
            case exp.Column():
                return CLASSES.get(self._type_of(node), "?")
            case exp.Literal():
                return "quoted" if node.is_string else "number"
            case exp.Neg() if isinstance(node.this, exp.Literal):
                return "number"
            case exp.Boolean():
                return "truth"
            case exp.Cast() if isinstance(node.this, exp.Literal):
                return CLASSES.get(node.to.sql("duckdb").upper(), "?")
        taken = self._taken_from(node)
        if isinstance(node, OF_TEXT) and taken == "text":
            return "number" if isinstance(node, exp.Length) else "text"
        if isinstance(node, OF_DAYS) and taken == "day":
            return "day" if isinstance(node, exp.DateTrunc | exp.TimestampTrunc) else "number"
        if isinstance(node, OF_NUMBERS) and taken == "number":
            return "number"
        raise Unclear(node.sql_name() if isinstance(node, exp.Func) else node.key.upper())

    def _taken_from(self, node: exp.Expr) -> str:
        """The class of the one column a function is about; all its other arguments must be literals and words."""
        columns = list(node.find_all(exp.Column))
        if len(columns) != 1:
            return "?"
        inside = [one for one in node.walk() if not isinstance(one, exp.Literal | exp.Var | exp.Identifier | exp.Neg)]
        # The function, its column, and what the parser puts between for a text that is a day.
        if any(one is not node and one is not columns[0] for one in inside):
            return "?"
        return CLASSES.get(self._type_of(columns[0]), "?")

    def _type_of(self, column: exp.Column) -> str:
        one = self._occurrences.get(id(column))
        if one is not None:
            source = self._sources[one.dataset]
            return masked_type(source.basis.rules[one.item].masks, source.contract.field(one.item))
        upload = self._brought.get(column.table)
        if upload is None:
            raise Unclear(column.name)
        return upload.columns.get(column.name, "?")

    def _read_outputs(self, tree: exp.Select, keys: Sequence[exp.Expr]) -> list[Figure]:
        figures: list[Figure] = []
        names = {one.alias_or_name for one in tree.expressions}
        for output in tree.expressions:
            self._read_afterwards(output, keys, names, figures, AFTERWARDS)
        having, order = tree.args.get("having"), tree.args.get("order")
        if having is not None:
            self._read_afterwards(having.this, keys, names, figures, (*AFTERWARDS, *JUDGED))
        for ordered in order.expressions if order is not None else ():
            self._read_afterwards(ordered.this, keys, names, figures, AFTERWARDS)
        for name in ("limit", "offset"):
            part = tree.args.get(name)
            if part is not None and not isinstance(part.expression, exp.Literal):
                raise Unclear(name.upper())
        if not keys and not figures:
            raise Unclear("SELECT")
        return figures

    def _read_afterwards(
        self, node: exp.Expr, keys: Sequence[exp.Expr], names: set[str], figures: list[Figure], allowed: tuple[type[exp.Expr], ...]
    ) -> None:  # fmt: skip
        if node in keys or isinstance(node, exp.Literal | exp.Null | exp.Boolean):
            return
        if isinstance(node, exp.Column) and not node.table and node.name in names:
            return
        if isinstance(node, exp.AggFunc):
            figures.append(self._figure(node))
            return
        if isinstance(node, exp.Column):
            raise Unclear(node.name)
        if not isinstance(node, allowed):
            raise Unclear(node.sql_name() if isinstance(node, exp.Func) else node.key.upper())
        for inner in node.iter_expressions():
            if not isinstance(inner, exp.Identifier | exp.Var):
                self._read_afterwards(inner, keys, names, figures, allowed)

    def _figure(self, node: exp.AggFunc) -> Figure:
        if any(value for key, value in node.args.items() if key not in ("this", "big_int")):
            raise Unclear(node.sql_name())
        inner = node.this
        if isinstance(node, exp.Count) and isinstance(inner, exp.Star):
            return Figure("count", node, None)
        kind: FigureKind | None = None
        if isinstance(node, exp.Count) and isinstance(inner, exp.Distinct) and len(inner.expressions) == 1:
            kind, inner = "distinct", inner.expressions[0]
        elif isinstance(node, exp.Count | exp.Sum | exp.Avg):
            kind = "count" if isinstance(node, exp.Count) else "sum" if isinstance(node, exp.Sum) else "avg"
        one = self._occurrences.get(id(inner)) if isinstance(inner, exp.Column) else None
        if kind is None or one is None:
            raise Unclear(node.sql_name())
        if kind in ("sum", "avg") and self._class_of(inner) != "number":
            raise Unclear(node.sql_name())
        # Sums of what one brought along, or of what all know, tell by their digits whose rows were added.
        if self._sources[one.dataset].basis.ground == "open" and self._is_guarded():
            raise Unclear(node.sql_name())
        return Figure(kind, node, one)

    def _is_guarded(self) -> bool:
        return any(self._sources[name].basis.ground != "open" for _, name in self._resolved.tables)
