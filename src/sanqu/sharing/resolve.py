"""Which item of which dataset each column of a query comes from; what cannot be resolved is refused."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import MappingSchema

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.lake.allowed import DIALECT, refused

# How the library names a column it cannot find.
UNKNOWN = re.compile(r"(?:Unknown column: |[Cc]olumn ')([^\s']+)")


@dataclass(frozen=True)
class Occurrence:
    """One place where a query names an item: the column, the table it is read from, and the SELECT that names it."""

    column: exp.Column
    table: exp.Table
    dataset: str
    item: str
    select: exp.Expr
    # The SELECT that reads the table; another than `select` where a subquery looks outward.
    owner: exp.Expr


@dataclass(frozen=True)
class Resolved:
    """A query whose every column is bound; `tables` are the places where it reads a dataset."""

    tree: exp.Query
    tables: tuple[tuple[exp.Table, str], ...]
    occurrences: tuple[Occurrence, ...]


def names_in(query: exp.Expr) -> tuple[list[str], set[str], set[str]]:
    """The tables a query names, the CTEs it makes, and the columns it names; all in lower case."""
    tables = [str(node.this.this).lower() for node in query.find_all(exp.Table) if isinstance(node.this, exp.Identifier)]
    ctes = {str(node.alias).lower() for node in query.find_all(exp.CTE)}
    columns = {node.name.lower() for node in query.find_all(exp.Column)}
    columns |= {str(name.this).lower() for join in query.find_all(exp.Join) for name in join.args.get("using") or ()}
    return list(dict.fromkeys(tables)), ctes, columns


def resolve(query: exp.Query, items: Mapping[str, Sequence[str]], visible: Mapping[str, Collection[str]]) -> Resolved:
    """Bind every column of `query`, which is changed in place.

    `items` are the items of each dataset (lower case) that may be named; `visible` those that a star stands for.
    Raises `Unresolved` naming a column that is in none of the tables.
    """
    schema = MappingSchema(
        {name: dict.fromkeys(map(str.lower, named), "TEXT") for name, named in items.items() if named},
        visible={name: [item.lower() for item in named] for name, named in visible.items()},
        dialect=DIALECT,
    )
    try:
        tree = qualify(query, schema=schema, dialect=DIALECT, validate_qualify_columns=False, quote_identifiers=True)
        _spell_out_order(tree)
        return _bind(tree, {name: {item.lower(): item for item in named} for name, named in items.items()})
    except (SqlglotError, RecursionError) as fault:
        named = UNKNOWN.search(str(fault))
        raise Unresolved(named.group(1) if named else "SQL") from fault


class Unresolved(BadInput):
    """A column or table of a query could not be traced to an item."""

    def __init__(self, column: str, table: str = "") -> None:
        self.column, self.table = column, table
        super().__init__(
            "sql.unresolved",
            Text(zh=f"查询里的 {column} 找不到出处", en=f"{column} in the query cannot be traced to an item"),
            Text(zh="核对名称；必要时写明表名", en="Check the name; write the table's name before it where it is not plain"),
            column[:120],
        )


def _spell_out_order(tree: exp.Expr) -> None:
    """Put in place of an output's name inside an ORDER BY expression what it names.

    There the engine prefers a column of that name, and would sort by an item that nobody judged.
    """
    for select in tree.find_all(exp.Select):
        order = select.args.get("order")
        for column in list(order.find_all(exp.Column)) if order is not None else ():
            if column.table or isinstance(column.parent, exp.Ordered) or column.find_ancestor(exp.Query) is not select:
                continue
            named = next((one for one in select.expressions if one.alias_or_name == column.name), None)
            if named is not None:
                column.replace(exp.Paren(this=named.unalias().copy()))


def _bind(tree: exp.Expr, items: Mapping[str, Mapping[str, str]]) -> Resolved:
    if not isinstance(tree, exp.Query):
        raise refused("这样的语句", "a statement like this")
    bound: dict[int, Occurrence] = {}
    seen: set[int] = set()
    tables: list[tuple[exp.Table, str]] = []
    visited: set[int] = set()
    for scope in traverse_scope(tree):
        named = _datasets_of(scope, items)
        visited |= {id(table) for table in scope.tables if isinstance(scope.sources.get(table.alias_or_name), Scope)}
        tables.extend((table, name) for table, name in named.values())
        for column in scope.columns:
            if column.table in named:
                table, dataset = named[column.table]
                item = items[dataset].get(column.name)
                if item is None:
                    raise Unresolved(column.name, dataset)
                bound[id(column)] = Occurrence(column, table, dataset, item, _select_of(column), scope.expression)
            elif column.table in scope.sources and not _is_dataset(scope.sources[column.table]):
                _check_output(column, scope.sources[column.table])
                seen.add(id(column))
    for column in tree.find_all(exp.Column):
        if id(column) not in bound and id(column) not in seen and not _names_output(column):
            raise Unresolved(column.sql(DIALECT))
    odd = tree.find(exp.TableColumn, exp.Dot, exp.Pivot)
    if odd is not None:
        raise refused("整行", "a whole row as a value", odd.sql(DIALECT))
    known = {id(table) for table, _ in tables} | visited
    for table in tree.find_all(exp.Table):
        # A name that no scope accounts for would be looked up by the engine, among tables of its own.
        if id(table) not in known and isinstance(table.this, exp.Identifier):
            raise Unresolved(table.name)
    return Resolved(tree, tuple(tables), tuple(bound.values()))


def _is_dataset(source: object) -> bool:
    return isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier)


def _datasets_of(scope: Scope, items: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[exp.Table, str]]:
    """The tables of a scope that are datasets, by the name the scope knows them under."""
    found = {}
    for name, table in scope.sources.items():
        if not isinstance(table, exp.Table) or not _is_dataset(table):
            continue
        if table.find_ancestor(exp.Select) is not scope.expression:
            continue
        if table.name.lower() not in items:
            raise Unresolved(table.name)
        alias = table.args.get("alias")
        if alias is not None and alias.args.get("columns"):
            raise refused("数据集的列别名", "new names for the columns of a dataset", table.sql(DIALECT))
        found[name] = (table, table.name.lower())
    return found


def _check_output(column: exp.Column, source: exp.Expr | Scope) -> None:
    """A column of a subquery or CTE must be one that it puts out."""
    if not isinstance(source, Scope):
        return
    outer = source.outer_columns
    names = outer or source.expression.named_selects if isinstance(source.expression, exp.Query) else []
    if names and column.name not in names and "*" not in names:
        raise Unresolved(column.name)


def _names_output(column: exp.Column) -> bool:
    """Whether a bare name stands for one of the SELECT's own outputs: alone in ORDER BY, where they come first."""
    order = column.parent.parent if isinstance(column.parent, exp.Ordered) else None
    if column.table or not isinstance(order, exp.Order) or not isinstance(order.parent, exp.Query):
        return False
    return column.name in order.parent.named_selects


def _select_of(column: exp.Column) -> exp.Expr:
    return column.find_ancestor(exp.Select, exp.SetOperation) or column
