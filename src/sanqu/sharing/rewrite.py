"""Applies the law to a query's tree: each dataset becomes what its reader may see of it, each figure what may be told."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from sanqu.lake.contracts import Contract
from sanqu.sharing.allowed import DIALECT, OWN, refused
from sanqu.sharing.contexts import summed
from sanqu.sharing.law import Basis, Rule
from sanqu.sharing.masks import apply_masks
from sanqu.sharing.resolve import Occurrence, Resolved

# Tables are named so until the snapshot is known; no asker can know or guess the name.
MARK = f"{OWN}_{secrets.token_hex(8)}"
SUBJECT, ROW = f"{OWN}_subject", f"{OWN}_row"


@dataclass(frozen=True)
class Source:
    """What the rewrite needs to know of a dataset: its contract, the ground it is read on, the least group."""

    contract: Contract
    basis: Basis
    least: int


@dataclass(frozen=True)
class Cells:
    """A query that gives the subjects behind each figure about `dataset`: one row a group, a list of hashes."""

    dataset: str
    sql: str
    least: int


@dataclass(frozen=True)
class Rewritten:
    """The only text the engine sees. Tables stand in it as `mark(n)`; `params` are the secrets of hashes."""

    sql: str
    cells: tuple[Cells, ...]
    params: Mapping[str, str]


def mark(dataset: str) -> str:
    """What stands for the table of `dataset` in a rewritten query."""
    return f'"{MARK}_{dataset}"'


def relation(
    source: Source, dataset: str, items: Iterable[str], params: dict[str, str], *, counted: bool = False, kept: bool = False
) -> exp.Select:
    """What a reader sees of a dataset: the items asked for, masked, of the rows in scope.

    `counted` adds the subject and the number of each row, for figures that need enough of both. Secrets of hashes go to
    `params`; with `kept` the text looks for them in variables of the connection instead, and row numbers are kept.
    """
    table = exp.Table(this=exp.to_identifier(f"{MARK}_{dataset}", quoted=True))
    columns = [_column(source, item, params, kept) for item in items]
    if kept:
        columns.append(exp.column("rowid"))
    if counted:
        columns += [_subject(source.contract).as_(SUBJECT, quoted=True), exp.column("rowid").as_(ROW, quoted=True)]
    select = exp.select(*(columns or [exp.Literal.number(1).as_(f"{OWN}_one", quoted=True)])).from_(table)
    scope = source.basis.scope
    if scope is None:
        return select
    codes = [exp.Literal.string(code) for code in sorted(scope.codes)]
    inside = exp.In(this=exp.column(scope.item, quoted=True), expressions=codes) if codes else exp.false()
    return select.where(inside)


def _column(source: Source, item: str, params: dict[str, str], kept: bool) -> exp.Expr:
    rule: Rule = source.basis.rules[item]
    column = exp.column(item, quoted=True)
    if not rule.masks:
        return column
    name = f"{OWN}_secret_{source.basis.granted.number}" if source.basis.granted else f"{OWN}_secret"
    if source.basis.granted is not None and any(mask.kind == "hash" for mask in rule.masks):
        params[name] = source.basis.granted.secret
    secret = exp.func("getvariable", exp.Literal.string(name)) if kept else exp.Placeholder(this=name)
    masked = apply_masks(column, rule.masks, source.contract.field(item), secret)
    return masked.as_(item, quoted=True)


def _subject(contract: Contract) -> exp.Expr:
    parts = [exp.cast(exp.column(item, quoted=True), "TEXT", dialect=DIALECT) for item in contract.subject_items]
    if not parts:
        return exp.column("rowid")
    return parts[0] if len(parts) == 1 else exp.func("concat_ws", exp.Literal.string("\x1f"), *parts, dialect=DIALECT)


def rewrite(resolved: Resolved, sources: Mapping[str, Source]) -> Rewritten:
    """The query with the law applied; `resolved` is used up."""
    params: dict[str, str] = {}
    named: dict[int, dict[str, None]] = defaultdict(dict)
    for one in resolved.occurrences:
        named[id(one.table)][one.item] = None
    for number, (table, _) in enumerate(resolved.tables):
        table.meta[OWN] = number
    restricted = [one for one in resolved.occurrences if not sources[one.dataset].basis.rules[one.item].plain]
    figures = _Figures(resolved.tree, sources, restricted)
    cells = figures.cells()
    figures.guard()
    instead: list[exp.Expr] = []
    barriers: list[tuple[str, exp.Select]] = []
    for table, dataset in resolved.tables:
        seen = relation(sources[dataset], dataset, named[id(table)], params, counted=id(table) in figures.counted)
        alias = exp.TableAlias(this=exp.to_identifier(table.alias_or_name, quoted=True))
        if sources[dataset].basis.scope is None:
            instead.append(exp.Subquery(this=seen, alias=alias))
        else:
            # The engine must not try an asker's conditions on rows the asker may not see: an error would tell of them.
            name = f"{OWN}_rows_{len(barriers)}"
            barriers.append((name, seen))
            instead.append(exp.Table(this=exp.to_identifier(name, quoted=True), alias=alias))
    main = _finish(resolved.tree, instead, barriers)
    told = tuple(Cells(dataset, _finish(cell, instead, barriers), least) for dataset, cell, least in cells)
    return Rewritten(main, told, params)


def _finish(tree: exp.Expr, instead: Sequence[exp.Expr], barriers: Sequence[tuple[str, exp.Select]]) -> str:
    """The text of `tree` with every dataset replaced by what its reader may see."""
    for table in list(tree.find_all(exp.Table)):
        number = table.meta.get(OWN)
        if number is None:
            continue
        seen = instead[number].copy()
        for held in ("joins", "laterals"):
            if table.args.get(held):
                seen.set(held, table.args[held])
        table.replace(seen)
    return _with_barriers(tree, barriers).sql(DIALECT, identify=True, comments=False)


def _with_barriers(tree: exp.Expr, barriers: Sequence[tuple[str, exp.Select]]) -> exp.Expr:
    if not barriers:
        return tree
    made = [
        exp.CTE(this=select.copy(), alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True)), materialized=True)
        for name, select in barriers
    ]
    query = tree if isinstance(tree, exp.Select | exp.SetOperation) else exp.select("*").from_(tree)
    there = query.args.get("with_")
    if there is None:
        query.set("with_", exp.With(expressions=made))
    else:
        there.set("expressions", [*made, *there.expressions])
    return query


class _Figures:
    """The guards on figures about items that may only be added up or grouped by."""

    def __init__(self, tree: exp.Query, sources: Mapping[str, Source], restricted: Sequence[Occurrence]) -> None:
        self._tree, self._sources = tree, sources
        self._sums: dict[int, tuple[exp.AggFunc, list[Occurrence]]] = {}
        self._groups: list[Occurrence] = []
        for one in restricted:
            aggregate = summed(one.column) if one.select is one.owner else None
            if aggregate is not None:
                self._sums.setdefault(id(aggregate), (aggregate, []))[1].append(one)
            elif isinstance(one.column.parent, exp.Group):
                self._groups.append(one)
        counted = [one for _, ones in self._sums.values() for one in ones] + self._groups
        self.counted = frozenset(id(one.table) for one in counted)

    def guard(self) -> None:
        """Name a group only when it holds enough subjects; tell a figure only when enough stand behind it, each row once."""
        for one in self._groups:
            if isinstance(one.select, exp.Select):
                one.select.having(_enough(_own(one, SUBJECT), self._sources[one.dataset].least, None), copy=False)
        for aggregate, ones in self._sums.values():
            whole, condition = _with_filter(aggregate)
            guards: list[exp.Expr] = []
            for one in {id(one.table): one for one in ones}.values():
                guards += [_enough(_there(one), self._sources[one.dataset].least, condition), _once(one, condition)]
            figure = whole.copy()
            whole.replace(exp.Case(ifs=[exp.If(this=exp.and_(*guards), true=figure)]))

    def cells(self) -> list[tuple[str, exp.Select, int]]:
        """For each guarded figure, the SELECT that lists who stands behind it in each group."""
        made = []
        for aggregate, ones in self._sums.values():
            _, condition = _with_filter(aggregate)
            for one in {id(one.table): one for one in ones}.values():
                made.append((one.dataset, self._subjects_of(one, _there(one), condition), self._sources[one.dataset].least))
        for one in self._groups:
            made.append((one.dataset, self._subjects_of(one, _own(one, SUBJECT), None), self._sources[one.dataset].least))
        return made

    def _subjects_of(self, one: Occurrence, subject: exp.Expr, condition: exp.Expr | None) -> exp.Select:
        select = one.select
        if not isinstance(select, exp.Select) or _looks_outward(select):
            raise refused("相关子查询里的汇总项", "an item for aggregates inside a correlated subquery")
        told = select.copy()
        hashed = exp.ArrayAgg(this=exp.Distinct(expressions=[exp.func("hash", subject, dialect=DIALECT)]))
        told.set("expressions", [_filtered(hashed, condition).as_(SUBJECT, quoted=True)])
        for part in ("order", "limit", "offset", "distinct", "having", "qualify", "windows"):
            told.set(part, None)
        around = self._tree.args.get("with_")
        if select is self._tree or around is None:
            return told
        outer = exp.select("*").from_(told.subquery(f"{OWN}_cells"))
        outer.set("with_", around.copy())
        return outer


def _with_filter(aggregate: exp.Expr) -> tuple[exp.Expr, exp.Expr | None]:
    """An aggregate with its FILTER, and the condition of that."""
    above = aggregate.parent
    return (above, above.expression.this) if isinstance(above, exp.Filter) else (aggregate, None)


def _own(one: Occurrence, name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(one.column.table, quoted=True))


def _there(one: Occurrence) -> exp.Expr:
    """The subject where the value is there: those whose value is empty add nothing to a figure and hide nobody in it."""
    filled = exp.Not(this=exp.Is(this=one.column.copy(), expression=exp.null()))
    return exp.Case(ifs=[exp.If(this=filled, true=_own(one, SUBJECT))])


def _filtered(count: exp.Expr, condition: exp.Expr | None) -> exp.Expr:
    return exp.Filter(this=count, expression=exp.Where(this=condition.copy())) if condition is not None else count


def _enough(subject: exp.Expr, least: int, condition: exp.Expr | None) -> exp.Expr:
    subjects = exp.Count(this=exp.Distinct(expressions=[subject]))
    return exp.GTE(this=_filtered(subjects, condition), expression=exp.Literal.number(least))


def _once(one: Occurrence, condition: exp.Expr | None) -> exp.Expr:
    rows = exp.Count(this=_own(one, ROW))
    distinct = exp.Count(this=exp.Distinct(expressions=[_own(one, ROW)]))
    return exp.EQ(this=_filtered(rows, condition), expression=_filtered(distinct, condition))


def _looks_outward(select: exp.Select) -> bool:
    known = {source.alias_or_name for source in select.find_all(exp.Table, exp.Subquery, exp.Unnest, exp.Lateral, exp.Values)}
    return any(column.table and column.table not in known for column in select.find_all(exp.Column))
