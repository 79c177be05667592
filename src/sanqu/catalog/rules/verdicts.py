"""Asks the rows what a rule wants to know, and judges what they say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import duckdb

from sanqu.catalog.quality import seconds_of
from sanqu.catalog.rules.records import Agreement, Drift, Reference, Rule, Unique, Verdict, Volume
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.errors import BadInput, SanquError
from sanqu.ground.i18n import Text
from sanqu.lake import Contract, lake_of, quote_ident
from sanqu.lake.tables import table_of

# Fewer rows (or weeks, or runs) than this say nothing about what is usual.
FEW_ROWS, FEW_TIMES = 30, 4
# A share of nothing would be infinitely far from any other.
LEAST_SHARE = 0.0001
# The median of the absolute deviations of a normal spread, times this, is its standard deviation.
NORMAL = 1.4826
CATEGORIES = 30
RUNS = """
SELECT read FROM lines_run WHERE dataset = %s AND state = 'done' AND actor <> 'live' AND read > 0 ORDER BY id DESC LIMIT 31
"""


def judge(city: City, rule: Rule, at: datetime) -> Verdict:
    """What `rule` finds at the moment `at`; raises `NotFound` for a dataset and `BadInput` for an item that is not there."""
    contract = lake_of(city).contract(rule.dataset)
    try:
        with lake_of(city).engine() as duck:
            match rule:
                case Unique():
                    return _unique(duck, rule, contract)
                case Reference():
                    return _reference(duck, rule, contract, lake_of(city).contract(rule.other))
                case Drift():
                    return _drift(duck, rule, contract, at)
                case Agreement():
                    return _agreement(duck, rule, contract, lake_of(city).contract(rule.other))
                case Volume():
                    return _volume(city, duck, rule, contract, at)
    except duckdb.Error as fault:
        said = str(fault).split("\n")[0][:300]
        raise BadInput(
            "catalog.rule-breaks",
            Text(zh=f"规则问不出结果：{said}", en=f"The rule cannot be asked: {said}"),
            Text(zh="核对规则里的数据项与类型", en="Check the items the rule names, and their types"),
            f"{rule.dataset} {rule.name}",
        ) from fault


def _columns(contract: Contract, items: Sequence[str], alias: str = "") -> list[str]:
    """Items as SQL names; raises `BadInput` for one that the contract does not have."""
    for item in items:
        if item not in contract.names:
            raise BadInput(
                "catalog.rule-item",
                Text(zh=f"{contract.name} 没有数据项 {item}", en=f"{contract.name} has no item {item}"),
                Text(zh="核对规则里的数据项", en="Check the items the rule names"),
                contract.name,
            )
    return [alias + quote_ident(item) for item in items]


def _share(checked: int, bad: int, most: float, query: str, **figures: Any) -> Verdict:
    share = bad / checked if checked else 0.0
    return Verdict(holds=share <= most, value=share, limit=most, checked=checked, bad=bad, figures=figures, query=query)


def _numbers(duck: duckdb.DuckDBPyConnection, query: str) -> list[int]:
    row = duck.execute(query).fetchone()
    return [int(one or 0) for one in row or (0, 0)]


def _unique(duck: duckdb.DuckDBPyConnection, rule: Unique, contract: Contract) -> Verdict:
    names = _columns(contract, rule.items)
    filled = " AND ".join(f"{name} IS NOT NULL" for name in names)
    query = (
        f"SELECT sum(n), sum(n) FILTER (WHERE n > 1) FROM (SELECT count(*) AS n FROM {table_of(contract.name)} "
        f"WHERE {filled} GROUP BY {', '.join(names)})"
    )
    checked, bad = _numbers(duck, query)
    return _share(checked, bad, rule.most, query)


def _reference(duck: duckdb.DuckDBPyConnection, rule: Reference, contract: Contract, other: Contract) -> Verdict:
    here = _columns(contract, rule.items, "t.")
    there = _columns(other, rule.other_items or other.primaryKey or rule.items, "o.")
    filled = " AND ".join(f"{name} IS NOT NULL" for name in here)
    match = " AND ".join(f"{a} = {b}" for a, b in zip(here, there, strict=False))
    known = f"EXISTS (SELECT 1 FROM {table_of(other.name)} o WHERE {match})"
    query = f"SELECT count(*), count(*) FILTER (WHERE NOT {known}) FROM {table_of(contract.name)} t WHERE {filled}"
    checked, bad = _numbers(duck, query)
    return _share(checked, bad, rule.most, query)


def _drift(duck: duckdb.DuckDBPyConnection, rule: Drift, contract: Contract, at: datetime) -> Verdict:
    (item, time), table = _columns(contract, (rule.item, rule.time)), table_of(contract.name)
    window, before = int(seconds_of(rule.window)), int(seconds_of(rule.reference))
    # Rows from the future say nothing about now.
    latest = f"TIMESTAMP '{at.astimezone(CITY_ZONE) + timedelta(hours=1):%Y-%m-%d %H:%M:%S}'"
    rows = (
        f"SELECT {item} AS v, CAST({time} AS TIMESTAMP) > newest - INTERVAL {window} SECONDS AS fresh FROM {table}, "
        f"(SELECT CAST(max({time}) AS TIMESTAMP) AS newest FROM {table} WHERE {time} <= {latest}) "
        f"WHERE {item} IS NOT NULL AND {time} <= {latest} AND CAST({time} AS TIMESTAMP) > newest - INTERVAL {window + before} SECONDS"
    )
    numeric = contract.field(rule.item).lake_type.split("(")[0] in ("BIGINT", "DOUBLE", "DECIMAL", "INTEGER")
    if numeric:
        tenths = ", ".join(f"{n / 10}" for n in range(1, 10))
        cuts = f"SELECT list_sort(list_distinct(quantile_cont(CAST(v AS DOUBLE), [{tenths}]))) AS c FROM rows WHERE NOT fresh"
        part = "CAST(len(list_filter(c, x -> x < v)) AS VARCHAR)"
        query = f"WITH rows AS ({rows}), cuts AS ({cuts}) SELECT {part} AS part, count(*) FILTER (WHERE NOT fresh), count(*) FILTER (WHERE fresh) FROM rows, cuts GROUP BY part ORDER BY part"
    else:
        known = f"SELECT v FROM rows GROUP BY v ORDER BY count(*) DESC, v LIMIT {CATEGORIES}"
        part = "CASE WHEN v IN (SELECT v FROM known) THEN CAST(v AS VARCHAR) ELSE '…' END"
        query = f"WITH rows AS ({rows}), known AS ({known}) SELECT {part} AS part, count(*) FILTER (WHERE NOT fresh), count(*) FILTER (WHERE fresh) FROM rows GROUP BY part ORDER BY part"
    parts = [(str(part), int(then), int(now)) for part, then, now in duck.execute(query).fetchall()]
    before_all, now_all = sum(then for _, then, _ in parts), sum(now for _, _, now in parts)
    if min(before_all, now_all) < FEW_ROWS:
        return Verdict(holds=None, value=None, limit=rule.most, checked=now_all, figures={"reference": before_all, "window": now_all}, query=query)
    index = stability_index([then for _, then, _ in parts], [now for _, _, now in parts])
    figures = {"reference": before_all, "window": now_all, "parts": len(parts)}
    return Verdict(holds=index <= rule.most, value=index, limit=rule.most, checked=now_all, figures=figures, query=query)


def stability_index(before: Sequence[int], now: Sequence[int]) -> float:
    """The population stability index of two counts of the same parts: 0 where both are spread alike."""
    all_before, all_now = sum(before) or 1, sum(now) or 1
    shares = [(max(a / all_before, LEAST_SHARE), max(b / all_now, LEAST_SHARE)) for a, b in zip(before, now, strict=True)]
    return sum((b - a) * math.log(b / a) for a, b in shares)


def deviations(usual: Sequence[float], now: float) -> float:
    """How many robust standard deviations `now` is off the median of what was usual."""
    middle = median(usual)
    spread = NORMAL * median([abs(one - middle) for one in usual])
    # Counts spread by chance alone as their root; a history that never moved says no more than that.
    return (now - middle) / max(spread, math.sqrt(abs(middle)), 1.0)


def _volume(city: City, duck: duckdb.DuckDBPyConnection, rule: Volume, contract: Contract, at: datetime) -> Verdict:
    if rule.time:
        usual, now, query = _hours(duck, rule, contract, at)
    else:
        counts = [int(row["read"]) for row in city.db.all(RUNS, (contract.name,))]
        usual, now, query = counts[1:], counts[0] if counts else 0, RUNS.strip().replace("%s", f"'{contract.name}'")
    if len(usual) < FEW_TIMES:
        return Verdict(holds=None, value=None, limit=rule.most, checked=now, figures={"times": len(usual)}, query=query)
    off = deviations(usual, now)
    figures = {"rows": now, "usual": median(usual), "times": len(usual)}
    return Verdict(holds=abs(off) <= rule.most, value=off, limit=rule.most, checked=now, figures=figures, query=query)


def _hours(duck: duckdb.DuckDBPyConnection, rule: Volume, contract: Contract, at: datetime) -> tuple[list[int], int, str]:
    """Rows in that hour of that weekday in the weeks before, as far back as there are rows, and in the last whole hour."""
    (time,) = _columns(contract, (rule.time,))
    local = at.astimezone(CITY_ZONE) if rule.clock == "city" else at
    hour = local.replace(minute=0, second=0, microsecond=0, tzinfo=None) - timedelta(hours=1)
    query = (
        f"SELECT w, count(t), (SELECT min({time}) FROM {table_of(contract.name)}) FROM range({rule.weeks + 1}) r(w) "
        f"LEFT JOIN (SELECT CAST({time} AS TIMESTAMP) AS t FROM {table_of(contract.name)}) ON t >= TIMESTAMP '{hour}' - to_days(CAST(7 * w AS INTEGER)) "
        f"AND t < TIMESTAMP '{hour + timedelta(hours=1)}' - to_days(CAST(7 * w AS INTEGER)) GROUP BY w ORDER BY w"
    )
    found = duck.execute(query).fetchall()
    first = found[0][2] if found else None
    known = [int(n) for w, n, _ in found if w and first is not None and hour - timedelta(days=7 * int(w)) >= first.replace(tzinfo=None)]
    return known, int(found[0][1]) if found else 0, query


def _agreement(duck: duckdb.DuckDBPyConnection, rule: Agreement, contract: Contract, other: Contract) -> Verdict:
    def grouped(of: Contract, keys: Sequence[str], item: str) -> str:
        named = [f"{name} AS k{n}" for n, name in enumerate(_columns(of, keys))] or ["1 AS k0"]
        measure = f"sum({_columns(of, (item,))[0]})" if item else "count(*)"
        by = f" GROUP BY {', '.join(str(n + 1) for n in range(len(keys)))}" if keys else ""
        return f"SELECT {', '.join([*named, f'CAST(coalesce({measure}, 0) AS DOUBLE) AS m'])} FROM {table_of(of.name)}{by}"

    match = " AND ".join(f"a.k{n} IS NOT DISTINCT FROM b.k{n}" for n in range(max(1, len(rule.keys))))
    query = (
        f"SELECT count(*), count(*) FILTER (WHERE abs(coalesce(a.m, 0) - coalesce(b.m, 0)) > "
        f"{rule.tolerance} * greatest(abs(coalesce(a.m, 0)), abs(coalesce(b.m, 0))) + 1e-9 OR a.m IS NULL OR b.m IS NULL), sum(a.m), sum(b.m) "
        f"FROM ({grouped(contract, rule.keys, rule.item)}) a FULL JOIN "
        f"({grouped(other, rule.other_keys or rule.keys, rule.other_item or rule.item)}) b ON {match}"
    )
    row = duck.execute(query).fetchone() or (0, 0, None, None)
    return _share(int(row[0]), int(row[1]), rule.most, query, here=row[2], there=row[3])


def unanswered(fault: SanquError) -> Verdict:
    """The verdict of a rule that cannot be asked, with the reason."""
    return Verdict(holds=None, value=None, limit=0, fault=fault.record())
