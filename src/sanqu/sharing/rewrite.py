"""Applies the law to a query's tree: each dataset becomes what its reader may see of it, each figure what may be told."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from sanqu.ground.errors import BadInput
from sanqu.lake.allowed import DIALECT, OWN, refused
from sanqu.lake.contracts import Contract
from sanqu.sharing.contexts import summed
from sanqu.sharing.law import Basis, Rule
from sanqu.sharing.masks import apply_masks
from sanqu.sharing.resolve import Occurrence, Resolved

# Tables are named so until the snapshot is known; no asker can know or guess the name.
MARK = f"{OWN}_{secrets.token_hex(8)}"
SUBJECT, ROW = f"{OWN}_subject", f"{OWN}_row"
# How many values a subject's number can hold beside it: the low 24 bits.
VALUES = 2**24


@dataclass(frozen=True)
class Source:
    """What the rewrite needs to know of a dataset: its contract, the ground it is read on, the least group."""

    contract: Contract
    basis: Basis
    least: int


@dataclass(frozen=True)
class Cells:
    """A query that gives the subjects behind each figure: one row a group, a list of numbers (see `_marked`).

    Figures of one `kind` can be subtracted from each other: those about one item of one dataset. `told` says whether
    the figures themselves are in the answer; else the sets are those from which the answer's groups were made.
    """

    dataset: str
    kind: str
    sql: str
    least: int
    told: bool = True


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
    for scope in source.basis.narrowed:
        codes = [exp.Literal.string(code) for code in sorted(scope.codes)]
        column: exp.Expr = exp.column(scope.item, quoted=True)
        if source.contract.field(scope.item).lake_type != "VARCHAR":
            column = exp.cast(column, "TEXT", dialect=DIALECT)
        select = select.where(exp.In(this=column, expressions=codes) if codes else exp.false())
    return select


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
    figures.check()
    figures.guard()
    cells = figures.cells()
    instead: list[exp.Expr] = []
    barriers: list[tuple[str, exp.Select]] = []
    for table, dataset in resolved.tables:
        seen = relation(sources[dataset], dataset, named[id(table)], params, counted=id(table) in figures.counted)
        alias = exp.TableAlias(this=exp.to_identifier(table.alias_or_name, quoted=True))
        if not sources[dataset].basis.narrowed:
            instead.append(exp.Subquery(this=seen, alias=alias))
        else:
            # The engine must not try an asker's conditions on rows the asker may not see: an error would tell of them.
            name = f"{OWN}_rows_{len(barriers)}"
            barriers.append((name, seen))
            instead.append(exp.Table(this=exp.to_identifier(name, quoted=True), alias=alias))
    main = _finish(resolved.tree, instead, barriers)
    told = tuple(Cells(one.dataset, one.kind, _finish(one.select, instead, barriers), one.least, one.told) for one in cells)
    for text in (main, *(cell.sql for cell in told)):
        _check_tables(text)
    return Rewritten(main, told, params)


def _check_tables(text: str) -> None:
    """Read again what the engine will read: it may name no table but those put there."""
    tree = sqlglot.parse_one(text, dialect=DIALECT)
    made = {str(cte.alias) for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            continue
        if table.args.get("db") or not (table.name in made or table.name.startswith(f"{MARK}_")):
            raise refused("这样的写法", "a query written like this")


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


@dataclass(frozen=True)
class _Cell:
    dataset: str
    kind: str
    select: exp.Select
    least: int
    told: bool = True


# What gives another answer each time cannot be held against what was told before.
UNSTEADY = (exp.Rand,)


class _Figures:
    """The guards on figures about items that may only be added up or grouped by."""

    def __init__(self, tree: exp.Query, sources: Mapping[str, Source], restricted: Sequence[Occurrence]) -> None:
        self._tree, self._sources = tree, sources
        # By the aggregate: its occurrence, itself with its FILTER, the condition of that.
        self._sums: dict[int, tuple[Occurrence, exp.Expr, exp.Expr | None]] = {}
        self._groups: list[Occurrence] = []
        for one in restricted:
            aggregate = summed(one.column) if one.select is one.owner else None
            if aggregate is not None:
                self._sums[id(aggregate)] = (one, *_with_filter(aggregate))
            elif isinstance(one.column.parent, exp.Group):
                self._groups.append(one)
        self._all = [one for one, _, _ in self._sums.values()] + self._groups
        self.counted = frozenset(id(one.table) for one in self._all)

    def check(self) -> None:
        """Raise `BadInput` where the subjects behind a figure could not be told as the figure is made."""
        if not self._all:
            return
        if self._tree.find(*UNSTEADY) is not None:
            raise refused("受限数据项旁的随机数", "a random number beside items for aggregates or groups")
        for one in self._all:
            group = one.select.args.get("group")
            if group is not None and group.args.get("all"):
                raise refused("受限数据项的 GROUP BY ALL", "GROUP BY ALL over items for aggregates or groups")
            around = one.select.find_ancestor(exp.CTE)
            while around is not None:
                if isinstance(around.parent, exp.With) and around.parent.args.get("recursive"):
                    raise refused("递归查询里的受限数据项", "an item for aggregates or groups in a recursive query")
                around = around.find_ancestor(exp.CTE)
        for _, _, condition in self._sums.values():
            if condition is not None and condition.find(exp.Query) is not None:
                raise refused("受限数据项的 FILTER 里的子查询", "a subquery in the FILTER of an item for aggregates")
        for one in self._groups:
            self._check_beside(one.select)

    def _check_beside(self, select: exp.Expr) -> None:
        """Beside a group's restricted name stand other names of the group, the number of rows, and guarded figures.

        Anything else, such as a list of names or the smallest of them, would say who is in the group.
        """
        names, own = select.args["group"].expressions, _sources_of(select)
        for part in (*select.expressions, *(select.args.get(key) for key in ("having", "order", "qualify", "windows"))):
            for node in _nodes(part):
                if isinstance(node, exp.Filter) and id(node.this) not in self._sums:
                    raise _beside("FILTER")
                if isinstance(node, exp.Column) and node.table in own and not self._tellable(node, names):
                    raise _beside(node.name)

    def _tellable(self, column: exp.Column, names: Sequence[exp.Expr]) -> bool:
        around = _around(column)
        return any(node in names for node in around) or any(id(node) in self._sums for node in around)

    def guard(self) -> None:
        """Name a group only when it holds enough subjects; tell a figure only when enough stand behind it, each row once.

        What is guarded stays where it is, uncopied: figures stand inside others' conditions, and must be found there.
        """
        for one in self._groups:
            if isinstance(one.select, exp.Select):
                least = self._sources[one.dataset].least
                _and_having(one.select, exp.and_(_enough(_own(one, SUBJECT), least, None), _once(one, None)))
        for one, whole, condition in self._sums.values():
            guards = exp.and_(_enough(_there(one), self._sources[one.dataset].least, condition), _once(one, condition))
            place = exp.Null()
            whole.replace(place)
            place.replace(exp.Case(ifs=[exp.If(this=guards, true=whole)]))
            if whole.root() is not self._tree:
                raise refused("这样嵌套的汇总", "figures nested like this")

    def cells(self) -> list[_Cell]:
        """For each guarded figure, the SELECT that lists who stands behind it in each group.

        To be asked after `guard`: what a figure's own tables rest on must be as it is in the answer.
        """
        made = []
        for one, _, condition in self._sums.values():
            made.append(self._cell(one, one.item, self._subjects_of(one, _there(one), one.column, condition)))
        for one in self._groups:
            made.append(self._cell(one, one.item, self._subjects_of(one, _own(one, SUBJECT), one.column, None)))
            # A group that is too small is not told, and that tells too: so whom the groups were made of counts as well.
            base = self._subjects_of(one, _own(one, SUBJECT), None, None, without=self._groups)
            made.append(self._cell(one, f"{one.item}/of", base, told=False))
        return made

    def _cell(self, one: Occurrence, kind: str, select: exp.Select, *, told: bool = True) -> _Cell:
        return _Cell(one.dataset, kind, select, self._sources[one.dataset].least, told)

    def _subjects_of(
        self, one: Occurrence, subject: exp.Expr, value: exp.Expr | None, condition: exp.Expr | None,
        without: Sequence[Occurrence] = (),
    ) -> exp.Select:  # fmt: skip
        select = one.select
        if not isinstance(select, exp.Select) or _looks_outward(select):
            raise refused("相关子查询里的汇总项", "an item for aggregates inside a correlated subquery")
        told = select.copy()
        listed = exp.ArrayAgg(this=exp.Distinct(expressions=[_marked(subject, _own(one, ROW), value)]))
        inside = [_filled(_own(one, ROW))]
        if value is not None and not isinstance(one.column.parent, exp.Group):
            inside.append(_filled(one.column))
        condition = exp.and_(*inside, *([condition.copy()] if condition is not None else []))
        told.set("expressions", [_filtered(listed, condition).as_(SUBJECT, quoted=True)])
        for part in ("order", "limit", "offset", "distinct", "having", "qualify", "windows"):
            told.set(part, None)
        if without:
            _ungroup(told, {other.column for other in without if other.select is select})
        around = self._tree.args.get("with_")
        if select is self._tree or around is None:
            return told
        outer = exp.select("*").from_(told.subquery(f"{OWN}_cells"))
        outer.set("with_", around.copy())
        return outer


def _beside(name: str) -> BadInput:
    return refused(
        f"受限分组旁的 {name}（只可有分组名、count(*) 与汇总项的合计）",
        f"{name} beside a group that may only be named (only its names, count(*) and sums of items for aggregates)",
        name,
    )


def _nodes(part: object) -> list[exp.Expr]:
    if isinstance(part, list):
        return [node for one in part for node in _nodes(one)]
    return list(part.walk()) if isinstance(part, exp.Expr) else []


def _around(node: exp.Expr) -> list[exp.Expr]:
    """The node and all that it stands in, from the inside out."""
    found = [node]
    while (above := found[-1].parent) is not None:
        found.append(above)
    return found


def _sources_of(select: exp.Expr) -> set[str]:
    """The names of the tables that a SELECT reads itself."""
    parts = [select.args.get("from_"), *(select.args.get("joins") or ()), *(select.args.get("laterals") or ())]
    kinds = (exp.Table, exp.Subquery, exp.Unnest, exp.Lateral, exp.Values)
    return {node.alias_or_name for part in parts for node in _nodes(part) if isinstance(node, kinds)}


def _and_having(select: exp.Select, condition: exp.Expr) -> None:
    """Add to what a group must satisfy, without a copy of what it must satisfy already."""
    there = select.args.get("having")
    if there is None:
        select.set("having", exp.Having(this=condition))
    else:
        there.set("this", exp.And(this=exp.Paren(this=there.this), expression=exp.Paren(this=condition)))


def _ungroup(select: exp.Select, names: set[exp.Column]) -> None:
    group = select.args["group"]
    left = [named for named in group.expressions if named not in names]
    if left:
        group.set("expressions", left)
    else:
        select.set("group", None)


def _marked(subject: exp.Expr, row: exp.Expr, value: exp.Expr | None) -> exp.Expr:
    """A whole number for a subject and its value: 40 bits of the one's hash, 24 of the other's.

    A value that changed makes another number, so that two totals that differ by it differ. A row that names no subject
    stands for itself.
    """
    who = _hash(exp.func("coalesce", exp.cast(subject, "TEXT", dialect=DIALECT), exp.cast(row, "TEXT", dialect=DIALECT)))
    what: exp.Expr = (
        exp.Mod(this=_hash(value), expression=exp.Literal.number(VALUES)) if value is not None else exp.Literal.number(0)
    )
    over = exp.Mod(this=who.copy(), expression=exp.Literal.number(VALUES))
    return exp.Add(this=exp.Sub(this=who, expression=exp.Paren(this=over)), expression=exp.Paren(this=what))


def _hash(value: exp.Expr) -> exp.Expr:
    return exp.func("hash", value.copy(), dialect=DIALECT)


def _with_filter(aggregate: exp.Expr) -> tuple[exp.Expr, exp.Expr | None]:
    """An aggregate with its FILTER, and the condition of that."""
    above = aggregate.parent
    return (above, above.expression.this) if isinstance(above, exp.Filter) else (aggregate, None)


def _own(one: Occurrence, name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(one.column.table, quoted=True))


def _there(one: Occurrence) -> exp.Expr:
    """The subject where the value is there: those whose value is empty add nothing to a figure and hide nobody in it."""
    return exp.Case(ifs=[exp.If(this=_filled(one.column), true=_own(one, SUBJECT))])


def _filled(column: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Is(this=column.copy(), expression=exp.null()))


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
