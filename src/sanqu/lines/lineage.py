"""Where each item of a dataset comes from (字段血缘): through a line's matching of columns, and through the SQL of its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify

from sanqu.ground.errors import SanquError
from sanqu.lake import Contract
from sanqu.lake.allowed import DIALECT, parse_query
from sanqu.lines.records import Line, Step

# A table's columns, each with where it comes from.
Columns = dict[str, frozenset["From"]]


@dataclass(frozen=True, order=True)
class From:
    """A column of a line's source (`dataset` empty), or an item of a dataset that a step looks things up in."""

    dataset: str
    item: str


def columns_of(line: Line, target: Contract, contract_of: Callable[[str], Contract]) -> dict[str, tuple[From, ...]]:
    """For each item of `target`, what it is made of; empty for one that the line does not fill."""
    read = {item.name for item in line.input} if line.steps else set(target.names)
    at_source = {item: column for column, item in line.columns.items()}
    rows: Columns = {item: frozenset({From("", at_source.get(item, item))}) for item in read}
    tables = {"input": rows}
    for step in line.steps:
        try:
            rows = tables[step.name] = _step_columns(line, step, tables, contract_of)
        except (SanquError, SqlglotError):
            # A dataset that is gone, SQL that cannot be followed: the line says so itself; here its items are made of nothing known.
            rows = tables[step.name] = {}
    return {name: tuple(sorted(rows.get(name, frozenset()))) for name in target.names}


def _step_columns(line: Line, step: Step, tables: Mapping[str, Columns], contract_of: Callable[[str], Contract]) -> Columns:
    from sanqu.lines.live.steps import step_before

    before = tables[step_before(line, step)]
    if step.fence is not None:
        where = before.get(step.fence.lon, frozenset()) | before.get(step.fence.lat, frozenset())
        return before | {f"{step.fence.dataset}_{item}": where | {From(step.fence.dataset, item)} for item in step.fence.take}
    if step.dedupe:
        return before
    if step.window:
        time = before.get(step.time, frozenset())
        tables = {**tables, step_before(line, step): before | {"window_start": time, "window_end": time}}
    return _sql_columns(step.sql, tables, contract_of)


def _sql_columns(sql: str, tables: Mapping[str, Columns], contract_of: Callable[[str], Contract]) -> Columns:
    """What each column of a SELECT is made of."""
    tree = parse_query(sql)
    made = {str(cte.alias) for cte in tree.find_all(exp.CTE)}
    known: dict[str, Columns] = {}
    for table in tree.find_all(exp.Table):
        name = table.name
        if name and name not in made:
            known[name] = tables.get(name) or {item: frozenset({From(name, item)}) for item in contract_of(name).names}
    schema: dict[str, object] = {name: dict.fromkeys(columns, "text") for name, columns in known.items()}
    whole = qualify(tree, schema=schema, dialect=DIALECT, validate_qualify_columns=False)
    found: Columns = {}
    for name in whole.named_selects:
        parts: set[From] = set()
        for node in lineage(name, whole.copy(), schema=schema, dialect=DIALECT).walk():
            if not node.downstream and isinstance(node.source, exp.Table):
                column = node.name.rpartition(".")[2].strip('"')
                parts |= known.get(node.source.name, {}).get(column, frozenset())
        found[name] = frozenset(parts)
    return found
