"""Models (模型): a scene's SQL is woven into each query, so that the door decides over the city's own columns, as the one who asks.

A model is no table that somebody filled with rights of their own: `expand` puts it into the query as a common table expression, and
so are the bound datasets with their names, units and codes. Only a model that is kept as a table has rows of its own, and a contract
whose grades and sharing are the strictest of what it is made from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from sqlglot import exp
from sqlglot.lineage import lineage as lineage_of
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope, traverse_scope

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.lake import Contract
from sanqu.lake.allowed import parse_query
from sanqu.scenes.binding import Binding, is_same, select_of
from sanqu.scenes.package import Model, Scene

DIALECT = "duckdb"


@dataclass(frozen=True)
class Woven:
    """What a scene's names stand for in this city: `given` are contracts of the bound datasets, `tables` the datasets of models kept as tables."""

    scene: Scene
    binding: Binding
    given: Mapping[str, Contract]

    @property
    def tables(self) -> dict[str, str]:
        """Models that are kept as tables, and the dataset of each."""
        return {name: table_name(self.scene, name) for name, model in self.scene.models.items() if model.table}


def table_name(scene: Scene, model: str) -> str:
    """The dataset that keeps a model: `citrus-batch-days` for `batch_days` of `citrus`."""
    return f"{scene.name}-{model.replace('_', '-')}"


def alias_of(dataset: str) -> str:
    """How SQL may name a dataset without quotes: `citrus-orchards` as `citrus_orchards`."""
    return dataset.replace("-", "_").lower()


def names_of(query: exp.Expr) -> list[str]:
    """The tables that a query reads, without those it makes itself, in lower case."""
    found: dict[str, None] = {}
    for scope in traverse_scope(query):
        for source in scope.sources.values():
            if isinstance(source, exp.Table) and source.name:
                found[source.name.lower()] = None
    return list(found)


def parse(sql: str, thing: str) -> exp.Query:
    """The one SELECT of a model, page or rule; raises `BadInput` naming `thing`."""
    try:
        return parse_query(sql)
    except BadInput as fault:
        raise BadInput(fault.code, fault.what, fault.todo, thing, facts=fault.facts) from fault


def in_order(models: Mapping[str, Model]) -> list[Model]:
    """Each model after those it reads; raises `BadInput` for a round."""
    graph = {name: {one for one in names_of(parse(model.sql, model.file)) if one in models and one != name} for name, model in models.items()}
    try:
        return [models[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as round_:
        way = " → ".join(round_.args[1])
        raise BadInput("scenes.round", Text(zh=f"模型绕成一圈：{way}", en=f"The models go round in a circle: {way}"), Text(zh="拆开其中一个", en="Take one of them apart"), str(round_.args[1][0])) from round_


def expand(woven: Woven, sql: str, thing: str = "") -> str:
    """A query of the scene as one over datasets of the city: models and bound datasets woven in. Raises `BadInput`."""
    query = parse(sql, thing or woven.scene.name)
    parts: dict[str, exp.Query] = {}
    _weave(woven, query, parts, thing or woven.scene.name)
    for name, part in reversed(parts.items()):
        query = _before(query, name, part)
    return str(query.sql(dialect=DIALECT))


def _before(query: exp.Query, name: str, part: exp.Query) -> exp.Query:
    """Put a common table expression before those that the query has."""
    made = exp.CTE(this=part, alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
    held = query.args.get("with_") or query.args.get("with")
    if held is None:
        return query.with_(exp.to_identifier(name, quoted=True), as_=part, copy=False)
    held.set("expressions", [made, *held.expressions])
    return query


def _weave(woven: Woven, query: exp.Query, parts: dict[str, exp.Query], thing: str) -> None:
    """Point the tables of `query` at what they stand for, and gather what they need, each before those that read it."""
    own = {alias_of(name): name for name in woven.scene.contracts}
    for scope in traverse_scope(query):
        for table in [one for one in scope.sources.values() if isinstance(one, exp.Table)]:
            name = table.name.lower()
            dataset = name if name in woven.scene.contracts else own.get(name)
            if name in woven.scene.models:
                _point(table, _model(woven, woven.scene.models[name], parts))
            elif dataset is not None:
                _point(table, _dataset(woven, dataset, parts))


def _point(table: exp.Table, name: str) -> None:
    """Let a table be read under the name it had."""
    if table.name != name:
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
        table.set("this", exp.to_identifier(name, quoted=True))


def _model(woven: Woven, model: Model, parts: dict[str, exp.Query]) -> str:
    if model.table:
        return woven.tables[model.name]
    name = f"model_{model.name}"
    if name not in parts:
        query = parse(model.sql, model.file)
        _weave(woven, query, parts, model.file)
        parts[name] = query
    return name


def _dataset(woven: Woven, dataset: str, parts: dict[str, exp.Query]) -> str:
    bound = woven.binding.get(dataset)
    if bound is None:
        return dataset
    if is_same(bound):
        return bound.dataset
    name = f"bound_{alias_of(dataset)}"
    if name not in parts:
        parts[name] = select_of(bound, woven.scene.contracts[dataset], woven.given.get(dataset))
    return name


# What asks for the time: its answer changes though no row does. Of the city's day it changes once a day.
CLOCKS, DAY = frozenset({"now", "today", "city_now", "age"}), "city_today"
# Under this the words of a query stand beside the snapshots of what it reads; no dataset is called so.
WORDS = "its_words"
def tells_time(sql: str) -> bool:
    """Whether a query asks what time it is; the city's day is no time, see `tells_day`."""
    return any(isinstance(one, exp.CurrentDate | exp.CurrentTimestamp) or _name_of(one) in CLOCKS for one in parse_query(sql).find_all(exp.Func))


def tells_day(sql: str) -> bool:
    """Whether a query asks for the city's day."""
    return any(_name_of(one) == DAY for one in parse_query(sql).find_all(exp.Func))


def _name_of(function: exp.Expr) -> str:
    return str(function.this).lower() if isinstance(function, exp.Anonymous) else ""


def datasets_in(sql: str) -> list[str]:
    """The datasets that an expanded query reads."""
    return names_of(parse_query(sql))


@dataclass(frozen=True)
class Origin:
    """One column of a model, and the columns of datasets that it comes from (`dataset`, `item`)."""

    column: str
    of: tuple[tuple[str, str], ...]


def lineage(sql: str, contracts: Mapping[str, Contract]) -> list[Origin]:
    """Where each column of an expanded query comes from, by the SQL itself; what cannot be resolved has no origin."""
    query = parse_query(sql)
    schema = {name: {item.name: item.lake_type for item in contract.fields} for name, contract in contracts.items()}
    found: list[Origin] = []
    # Names are resolved once for all columns.
    whole = qualify(query.copy(), schema=dict(schema), dialect=DIALECT, validate_qualify_columns=False, identify=False)
    scope = build_scope(whole)
    for column in columns_of(query, schema):
        of: dict[tuple[str, str], None] = {}
        try:
            root = lineage_of(column, whole, schema=schema, dialect=DIALECT, scope=scope, trim_selects=False, copy=False)
        except Exception:
            found.append(Origin(column, ()))
            continue
        for node in root.walk():
            if isinstance(node.expression, exp.Table) and not node.downstream:
                of[node.expression.name, node.name.rpartition(".")[2].strip('"')] = None
        found.append(Origin(column, tuple(one for one in of if one[0] in contracts)))
    return found


def columns_of(query: exp.Query, schema: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The columns that a query gives, stars resolved."""
    return list(qualify(query.copy(), schema=dict(schema), dialect=DIALECT, validate_qualify_columns=False).named_selects)
