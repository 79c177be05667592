"""Models that are kept as tables (物化模型): declared with the strictest law of what they are made from, refreshed when a source moves."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
from sqlglot import exp

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import Conflict, SanquError
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.lake import Commit, Contract, lake_of, quote_ident
from sanqu.lake.allowed import parse_query
from sanqu.scenes.casebook import keep_books
from sanqu.scenes.keeping import Installed, installed, kept_tables, ready, scene_of, woven_of
from sanqu.scenes.models import DAY, WORDS, Woven, datasets_in, expand, lineage, table_name
from sanqu.scenes.package import Model
from sanqu.scenes.rules import all_seen, look_at_rules, note_seen, span_of
from sanqu.scenes.speaking import purpose_of, speaker_of
from sanqu.sharing.door import Question, ask
from sanqu.sharing.law import law_book

log = logging.getLogger(__name__)

MOST_ROWS = 1_000_000
# The first of the two numbers of the lock under which one scene is looked at.
LOOK = 7_530_040
# So many changed groups are worked out by themselves; with more, all of them are.
MOST_TOUCHED = 2_000
GRADES, SHARING, OPENING = ("L1", "L2", "L3", "L4"), ("unconditional", "conditional", "none"), ("unconditional", "restricted", "none")


@job("scenes.refresh", every="* * * * *")
def refresh_all(city: City) -> dict[str, int]:
    """Refresh the tables of all scenes whose sources moved, then look at their rules; gives how many of either were worked at."""
    found: dict[str, int] = {}
    for one in installed(city):
        try:
            found[one.name] = look_at_scene(city, one, wait=False)
        except SanquError as fault:
            log.warning("scene %s: %s", one.name, fault.what.in_("en"))
    return found


def look_at_scene(city: City, one: Installed, *, wait: bool = True, conn: Connection | None = None) -> int:
    """Its tables, its rules, what its cases and alarms have come to, and what follows from that; gives how much was worked at.

    One looks at a time: a second one waits, or leaves it to the first (`wait=False`). `conn` is a connection of the caller's own that
    holds the scene meanwhile; without one another is made.
    """
    with nullcontext(conn) if conn else city.db.own_connection() as conn:
        if wait:
            conn.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (LOOK, one.name))
        else:
            found = conn.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s)) AS mine", (LOOK, one.name)).fetchone()
            if not found or not found["mine"]:
                return 0
        try:
            # An alarm does not wait for the books; what they have come to is looked at after them.
            done = refresh_scene(city, one) + look_at_rules(city, one)
            if kept := keep_books(city, one):
                done += kept + refresh_scene(city, one) + look_at_rules(city, one)
                keep_books(city, one)
            return done
        finally:
            # With the connection alone it would go a moment after, and whoever comes next would find it taken.
            conn.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", (LOOK, one.name))


def sources_of(city: City, one: Installed) -> frozenset[str]:
    """The datasets that move a scene's tables and rules, without those it writes itself; rules with a pace wait for the minute."""
    law, _ = law_book(city).current([])
    scene = scene_of(city, one)
    asked = [ready(city, one, law, rule.sql, rule.name) for rule in scene.rules if not span_of(rule.pace)] + [ready(city, one, law, model.sql, model.file) for model in kept_tables(city, one)]
    own = {*scene.kept, *woven_of(city, one).tables.values()}
    return frozenset(name for each in asked for name in each.datasets) - own


def declare_tables(city: City, one: Installed) -> list[Contract]:
    """Declare the datasets of models that are kept as tables."""
    woven = woven_of(city, one)
    made = []
    for model in kept_tables(city, one):
        made.append(derive(city, one, woven, model))
        _declare(city, one, model, made[-1])
    return made


def _declare(city: City, one: Installed, model: Model, contract: Contract) -> None:
    """A table whose shape does not follow from the one it has is made anew: its rows are worked out, nothing is lost."""
    try:
        register_contract(city, contract, "system")
    except Conflict:
        lake_of(city).drop(contract.name)
        register_contract(city, contract, "system")
        with city.db.connection() as conn:
            conn.execute("DELETE FROM scene_seen WHERE scene = %s AND what = %s", (one.name, f"model:{model.name}"))


def derive(city: City, one: Installed, woven: Woven, model: Model) -> Contract:
    """The contract of a table: types as the query gives them, each column as strict as the strictest it comes from."""
    sql = expand(woven, model.sql, model.file)
    lake = lake_of(city)
    contracts = {name: lake.contract(name) for name in datasets_in(sql)}
    shape = ask(city, speaker_of(city, one), Question(f"SELECT * FROM ({sql}) AS shape LIMIT 0", purpose_of(one), via="scenes")).table.schema
    origins = {origin.column: origin.of for origin in lineage(sql, contracts)}
    strictest = max((contract.grade for contract in contracts.values()), default="L1")
    fields = []
    for column in shape:
        grades = [_grade(contracts[dataset], item) for dataset, item in origins.get(column.name, ())]
        fields.append({"name": column.name, "type": _type(column.type), "grade": max(grades, default=strictest), **_told(contracts, origins.get(column.name, ()))})
    title = model.title if model.title.zh else Text(zh=f"{woven.scene.about.title.zh}：{model.name}", en=f"{woven.scene.about.title.in_('en')}: {model.name}")
    return Contract.from_descriptor({
        "name": table_name(woven.scene, model.name), "title": title.model_dump(), "steward": one.steward, "primaryKey": list(model.key), "fields": fields, "grade": strictest,
        "sharing": _strictest([contract.sharing for contract in contracts.values()], SHARING), "opening": _strictest([contract.opening for contract in contracts.values()], OPENING),
        "sample": any(contract.sample for contract in contracts.values()), "least_group": max((contract.least_group for contract in contracts.values()), default=5), "source": f"scene:{one.name}",
    })  # fmt: skip


def _grade(contract: Contract, item: str) -> str:
    names = {one.name: one.grade for one in contract.fields}
    return names.get(item) or contract.grade


def _strictest(values: list[Any], order: tuple[str, ...]) -> str:
    return max((str(value) for value in values), key=order.index, default=order[0])


def _told(contracts: Mapping[str, Contract], of: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Title and unit of the only column that it comes from."""
    if len(of) != 1:
        return {}
    dataset, item = of[0]
    found = next((one for one in contracts[dataset].fields if one.name == item), None)
    return {} if found is None else {"title": found.title.model_dump(), **({"unit": found.unit} if found.unit else {})}


def _type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_date(kind):
        return "date"
    return "datetime" if pa.types.is_timestamp(kind) else "string"


def refresh_scene(city: City, one: Installed) -> int:
    """Refresh the tables of a scene whose sources or queries changed since the last time, or that ask what time it is; gives how many.

    What fails is kept with its reason.
    """
    book, seen, done = law_book(city), all_seen(city, one.name), 0
    law, _ = book.current([])
    for model in kept_tables(city, one):
        asked = ready(city, one, law, model.sql, model.file)
        now_at = {**book.current(asked.datasets)[1], **asked.marks}
        before, _ = seen.get(f"model:{model.name}", (None, None))
        if before == now_at and not asked.timely:
            continue
        whole = asked.timely or any((before or {}).get(mark) != now_at.get(mark) for mark in (DAY, WORDS))
        fault: SanquError | None = None
        try:
            refresh_model(city, one, model, asked.sql, {} if whole else before or {}, now_at)
            done += 1
        except SanquError as refused:
            log.warning("scene %s, model %s was not refreshed: %s", one.name, model.name, refused.what.in_("en"))
            fault = refused
        with city.db.connection() as conn:
            note_seen(conn, one.name, f"model:{model.name}", now_at if fault is None else before or {}, fault)
    return done


def refresh_model(city: City, one: Installed, model: Model, sql: str, before: Mapping[str, int], now_at: Mapping[str, int]) -> int:
    """Work out a table anew: only the groups that the change feed touched where the query allows it, else all of it; gives the rows read."""
    touched = touched_groups(city, model, sql, before, now_at)
    question, params = (sql, {}) if touched is None else _only(sql, model.key, touched)
    if touched is not None and touched.num_rows == 0:
        return 0
    answer = ask(city, speaker_of(city, one), Question(question, purpose_of(one), params, rows=MOST_ROWS, via="scenes"))
    name = table_name(woven_of(city, one).scene, model.name)
    lake_of(city).settle(name, answer.table, Commit("system", f"{name}: {answer.table.num_rows}"), within=touched)
    return int(answer.table.num_rows)


def touched_groups(city: City, model: Model, sql: str, before: Mapping[str, int], now_at: Mapping[str, int]) -> pa.Table | None:
    """The keys of groups in which something changed; None where all is to be worked out.

    That is known where the query groups one dataset by its own columns, and those are the key of the table.
    """
    grouped = grouped_by(sql)
    if grouped is None or set(grouped[1]) != set(model.key) or grouped[0] not in before or before[grouped[0]] >= now_at.get(grouped[0], 0):
        return None
    dataset, columns = grouped
    changes = lake_of(city).changes(dataset, before[dataset] + 1, now_at[dataset])
    keys = pa.table({name: changes.column(columns[name]) for name in model.key}).group_by(list(model.key)).aggregate([])
    return keys if keys.num_rows <= MOST_TOUCHED else None


def grouped_by(sql: str) -> tuple[str, dict[str, str]] | None:
    """The dataset that a query groups, and its columns by the names under which they are given; None for any other query."""
    query = parse_query(sql)
    tables = list(query.find_all(exp.Table))
    group = query.args.get("group")
    if not isinstance(query, exp.Select) or len(tables) != 1 or query.args.get("with_") or query.args.get("limit") or group is None or list(query.find_all(exp.Window, exp.Subquery)):
        return None
    named: dict[str, str] = {}
    for one in query.expressions:
        inner = one.unalias()
        if isinstance(inner, exp.Column):
            named[one.alias_or_name] = inner.name
    grouped = {one.name if isinstance(one, exp.Column) else "" for one in group.expressions}
    plain = all(isinstance(one, exp.Column) or (isinstance(one, exp.Literal) and not one.is_string) for one in group.expressions)
    if not plain or not named or (grouped - {""} and set(named.values()) < grouped - {""}):
        return None
    return tables[0].name, named


def _only(sql: str, key: tuple[str, ...], touched: pa.Table) -> tuple[str, dict[str, Any]]:
    """The query for some groups only; the values are bound."""
    params: dict[str, Any] = {}
    tests = []
    for number, row in enumerate(touched.to_pylist()):
        parts = []
        for name in key:
            params[f"t{number}_{name}"] = row[name]
            parts.append(f"{quote_ident(name)} IS NOT DISTINCT FROM $t{number}_{name}")
        tests.append(f"({' AND '.join(parts)})")
    return f"SELECT * FROM ({sql}) AS all_groups WHERE {' OR '.join(tests) or 'false'}", params
