"""How good a dataset is: completeness, validity, freshness, uniqueness, each figure with the rows behind it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import duckdb

from sanqu.catalog.audience import ADMIN, tokens_of
from sanqu.catalog.keeping import DATASET, touch
from sanqu.catalog.reading import door
from sanqu.catalog.records import Dataset, dataset_by_key, hold, unit_paths
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import NotFound, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.ground.people.askers import Asker
from sanqu.lake import Contract, Field, lake_of, quote_ident
from sanqu.lake.tables import table_of

log = logging.getLogger(__name__)

Measure = Literal["completeness", "validity", "freshness", "uniqueness"]
MEASURES: tuple[Measure, ...] = ("completeness", "validity", "freshness", "uniqueness")
WEIGHTS: dict[Measure, float] = {"completeness": 0.3, "validity": 0.3, "freshness": 0.2, "uniqueness": 0.2}
# At this many times the promised interval nothing is left of the freshness.
STALE_TIMES = 4.0
DURATION = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
SECONDS = (31_557_600, 2_629_800, 604_800, 86_400, 3_600, 60, 1)

DROP_OLD = "DELETE FROM catalog_quality WHERE dataset = %s"
KEEP = """
INSERT INTO catalog_quality (dataset, measure, item, rule, checked, bad, condition, snapshot, at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
SCORE = "UPDATE catalog_dataset SET quality = %s WHERE id = %s"
READ = """
SELECT measure, item, rule, checked, bad, condition, snapshot, at FROM catalog_quality WHERE dataset = %s
ORDER BY measure, item, rule
"""
CHANGED = "SELECT snapshot, changed FROM lake_dataset WHERE name = %s"
TO_MEASURE = """
SELECT d.name FROM catalog_dataset d JOIN lake_dataset l ON l.name = d.contract
LEFT JOIN (SELECT dataset, max(snapshot) AS snapshot, max(at) AS at FROM catalog_quality GROUP BY dataset) q ON q.dataset = d.id
WHERE d.state <> 'deleted'
  AND (q.at IS NULL OR q.snapshot IS DISTINCT FROM l.snapshot OR q.at < now() - interval '1 day')
ORDER BY d.name
"""
WAITING = "SELECT count(*) AS n FROM lines_quarantine WHERE dataset = %s AND state = 'waiting'"
WAITING_ROWS = """
SELECT id, place, raw, faults, created FROM lines_quarantine WHERE dataset = %s AND state = 'waiting'
ORDER BY id LIMIT %s OFFSET %s
"""


@dataclass(frozen=True)
class Check:
    """A question to the rows: those for which `condition` (SQL over the items, with `params`) holds are bad."""

    measure: Measure
    item: str
    rule: str
    condition: str
    params: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Figure:
    """What one check found: `bad` of `checked`; `condition` is the SQL that finds the bad rows, empty where none does."""

    measure: Measure
    item: str
    rule: str
    checked: int
    bad: int
    condition: str

    @property
    def share(self) -> float:
        """The share that is good, 0 to 1."""
        return 1.0 if self.checked <= 0 else max(1.0 - self.bad / self.checked, 0.0)


@dataclass(frozen=True)
class Quality:
    """The quality of a dataset at `snapshot`: a score of 0 to 100, a share per measure, and the figures behind them."""

    score: float
    shares: dict[Measure, float]
    figures: tuple[Figure, ...]
    at: datetime
    snapshot: int | None


def checks_of(contract: Contract) -> Iterator[Check]:
    """What a contract lets us ask of its rows one by one (completeness, validity)."""
    for item in contract.fields:
        column = quote_ident(item.name)
        blank = f"{column} IS NULL" + (f" OR trim({column}) = ''" if item.lake_type == "VARCHAR" else "")
        yield Check("completeness", item.name, "filled", blank)
        yield from _rules(item, column)


def _rules(item: Field, column: str) -> Iterator[Check]:
    rule = item.constraints
    cast = item.lake_type
    if rule.minimum is not None:
        yield Check("validity", item.name, "minimum", f"{column} < CAST(? AS {cast})", (rule.minimum,))
    if rule.maximum is not None:
        yield Check("validity", item.name, "maximum", f"{column} > CAST(? AS {cast})", (rule.maximum,))
    if rule.minLength is not None:
        yield Check("validity", item.name, "minLength", f"length(CAST({column} AS VARCHAR)) < ?", (rule.minLength,))
    if rule.maxLength is not None:
        yield Check("validity", item.name, "maxLength", f"length(CAST({column} AS VARCHAR)) > ?", (rule.maxLength,))
    if rule.pattern is not None:
        yield Check("validity", item.name, "pattern", f"NOT regexp_full_match(CAST({column} AS VARCHAR), ?)", (rule.pattern,))
    if rule.enum is not None:
        places = ", ".join(f"CAST(? AS {cast})" for _ in rule.enum)
        yield Check("validity", item.name, "enum", f"{column} NOT IN ({places})", tuple(rule.enum))


def _unique_sets(contract: Contract) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """What must not stand twice, as (item, rule, columns): the key, items said to be unique, else the whole row."""
    if contract.primaryKey:
        yield " + ".join(contract.primaryKey), "primaryKey", contract.primaryKey
    for item in contract.fields:
        if item.constraints.unique and (item.name,) != contract.primaryKey:
            yield item.name, "unique", (item.name,)
    if not contract.primaryKey:
        yield "", "row", contract.names


def _doubles(contract: Contract, columns: Sequence[str]) -> str:
    """The condition for rows whose `columns` stand more than once; empty values are not compared."""
    listed = ", ".join(quote_ident(c) for c in columns)
    filled = " AND ".join(f"{quote_ident(c)} IS NOT NULL" for c in columns) if len(columns) < len(contract.names) else "true"
    keys = ", ".join(f"coalesce(CAST({quote_ident(c)} AS VARCHAR), chr(0))" for c in columns)
    return f"({filled}) AND hash({keys}) IN (SELECT hash({keys}) FROM {table_of(contract.name)} WHERE {filled} GROUP BY {listed} HAVING count(*) > 1)"


def seconds_of(duration: str) -> float:
    """The seconds of an ISO 8601 duration; years and months at their mean length."""
    match = DURATION.fullmatch(duration)
    return float(sum(int(n or 0) * s for n, s in zip(match.groups(), SECONDS, strict=True))) if match else 0.0


def freshness_share(age: timedelta, promised: float) -> float:
    """1 while the newest data are younger than promised, falling to 0 at `STALE_TIMES` the promise."""
    late = age.total_seconds() / promised if promised > 0 else 0.0
    return min(max((STALE_TIMES - late) / (STALE_TIMES - 1.0), 0.0), 1.0)


def _count(duck: duckdb.DuckDBPyConnection, name: str, checks: Sequence[Check]) -> tuple[int, list[Figure]]:
    """All checks in one scan; where one cannot be asked (a pattern the engine does not know), each by itself."""
    row = duck.execute(f"SELECT count(*) FROM {table_of(name)}").fetchone()
    rows = int(row[0]) if row else 0

    def ask(some: Sequence[Check]) -> list[int]:
        wish = ", ".join(f"count(*) FILTER (WHERE {check.condition})" for check in some)
        params = [param for check in some for param in check.params]
        found = duck.execute(f"SELECT {wish} FROM {table_of(name)}", params).fetchone() if some else ()
        return [int(n) for n in found or ()]

    try:
        counts: list[tuple[Check, int]] = list(zip(checks, ask(checks), strict=True))
    except duckdb.Error:
        counts = []
        for check in checks:
            try:
                counts.append((check, ask([check])[0]))
            except duckdb.Error as fault:
                log.warning("quality: %s of %s cannot be checked: %s", check.rule, check.item, fault)
    figures = [Figure(c.measure, c.item, c.rule, rows, bad, _shown(c)) for c, bad in counts]
    return rows, figures


def _shown(check: Check) -> str:
    parts = check.condition.split("?")
    values = [str(p) if isinstance(p, int | float) else "'" + str(p).replace("'", "''") + "'" for p in check.params]
    return "".join(a + b for a, b in zip(parts, [*values, ""], strict=False))


def measure(city: City, name: str) -> Quality:
    """Measure a dataset now and keep the figures; raises `NotFound` for one without a table in the lake."""
    lake = lake_of(city)
    with city.db.connection() as conn:
        dataset = dataset_by_key(conn, name, [ADMIN])
    if dataset is None or dataset.contract is None or not lake.has(dataset.contract):
        raise not_found(Text(zh="有数据表的数据集", en="dataset with a table"), name)
    contract = lake.contract(dataset.contract)
    changed = city.db.one(CHANGED, (contract.name,)) or {"snapshot": None, "changed": now()}
    with lake.engine() as duck:
        rows, figures = _count(duck, contract.name, list(checks_of(contract)))
        for item, rule, columns in _unique_sets(contract):
            condition = _doubles(contract, columns)
            found = duck.execute(f"SELECT count(*) FROM {table_of(contract.name)} WHERE {condition}").fetchone()
            figures.append(Figure("uniqueness", item, rule, rows, int(found[0]) if found else 0, condition))
    waiting = city.db.one(WAITING, (contract.name,))
    held = int(waiting["n"]) if waiting else 0
    figures.append(Figure("validity", "", "quarantine", rows + held, held, ""))
    shares = _shares(figures)
    if contract.freshness:
        shares["freshness"] = freshness_share(now() - changed["changed"], seconds_of(contract.freshness))
        figures.append(Figure("freshness", "", contract.freshness, 1000, 1000 - round(shares["freshness"] * 1000), ""))
    score = _score(shares) if rows else 0.0
    quality = Quality(score, shares, tuple(figures), now(), changed["snapshot"])
    _keep(city, dataset, quality)
    return quality


def _shares(figures: Sequence[Figure]) -> dict[Measure, float]:
    """Completeness is the mean over items; validity and uniqueness are what their worst figure leaves."""
    shares: dict[Measure, float] = {}
    for name in MEASURES:
        of = [figure.share for figure in figures if figure.measure == name]
        if of:
            shares[name] = sum(of) / len(of) if name == "completeness" else min(of)
    return shares


def _score(shares: dict[Measure, float]) -> float:
    """The weighted mean of the measures there are, as 0 to 100."""
    weight = sum(WEIGHTS[name] for name in shares)
    return round(100 * sum(WEIGHTS[name] * share for name, share in shares.items()) / weight, 1) if weight else 0.0


def _keep(city: City, dataset: Dataset, quality: Quality) -> None:
    with city.db.connection() as conn:
        hold(conn)
        conn.execute(DROP_OLD, (dataset.id,))
        with conn.cursor() as cursor:
            cursor.executemany(
                KEEP,
                [
                    (dataset.id, f.measure, f.item, f.rule, f.checked, f.bad, f.condition, quality.snapshot, quality.at)
                    for f in quality.figures
                ],
            )
        conn.execute(SCORE, (quality.score, dataset.id))
        if dataset.quality is None or abs(dataset.quality - quality.score) >= 0.05:
            touch(conn, [dataset.id])


def quality_of(city: City, dataset: Dataset) -> Quality | None:
    """The quality as last measured, or None when it never was."""
    rows = city.db.all(READ, (dataset.id,))
    if not rows:
        return None
    figures = tuple(Figure(r["measure"], r["item"], r["rule"], r["checked"], r["bad"], r["condition"]) for r in rows)
    return Quality(float(dataset.quality or 0.0), _shares(figures), figures, rows[0]["at"], rows[0]["snapshot"])


def rows_behind(
    city: City, key: str, measure: Measure, item: str, asker: Asker, *, rule: str = "", limit: int = 100, offset: int = 0
) -> list[dict[str, Any]]:
    """The rows that a figure counts as bad, as the asker may read them; for freshness the last writes, for quarantine
    the rows that wait there (stewards only).

    Raises `NotFound` for a dataset or a figure that is not there (or not to be known of), `Refused` for closed rows.
    """
    with city.db.connection() as conn:
        dataset = dataset_by_key(conn, key, tokens_of(asker))
        if dataset is None or dataset.contract is None:
            raise not_found(DATASET, key)
        path = unit_paths(conn, [dataset.unit])[dataset.unit]
    seen = door().look(city, asker, dataset.name)
    lake = lake_of(city)
    contract = lake.contract(dataset.contract)
    if measure == "freshness":
        return [
            {"snapshot": s.id, "at": s.at, "author": s.author, "message": s.message} for s in lake.snapshots(contract.name, limit)
        ]
    if rule == "quarantine":
        if not asker.may_steward(path):
            raise _no_figure(key, measure, item)
        return city.db.all(WAITING_ROWS, (contract.name, limit, offset))
    visible = seen.items
    condition, params = _condition(contract, measure, item, rule)
    named = set(item.split(" + ")) if measure == "uniqueness" and item else {item} if item else set()
    if condition is None or not named <= set(visible):
        raise _no_figure(key, measure, item)
    columns = ", ".join(quote_ident(c) for c in visible)
    query = f"SELECT {columns} FROM {seen.over(table_of(contract.name))} WHERE {condition} ORDER BY rowid LIMIT ? OFFSET ?"
    with lake.engine() as duck:
        seen.prepare(duck)
        found = duck.execute(query, [*params, limit, offset]).fetchall()
    door().note(city, seen, via="quality", items=visible, rows=len(found), query=f"{measure} {item} {rule}")
    return [dict(zip(visible, row, strict=True)) for row in found]


def _condition(contract: Contract, measure: Measure, item: str, rule: str) -> tuple[str | None, Sequence[Any]]:
    if measure == "uniqueness":
        for name, kind, columns in _unique_sets(contract):
            if name == item and rule in ("", kind):
                return _doubles(contract, columns), ()
        return None, ()
    fits = [c for c in checks_of(contract) if c.measure == measure and c.item == item and rule in ("", c.rule)]
    if not fits:
        return None, ()
    return " OR ".join(f"({c.condition})" for c in fits), [param for c in fits for param in c.params]


def _no_figure(key: str, measure: str, item: str) -> NotFound:
    return NotFound(
        "catalog.no-figure",
        Text(zh="没有这项质量指标", en="There is no such quality figure"),
        Text(zh="从数据集的质量页进入", en="Start from the quality of the dataset"),
        f"{key} {measure} {item}",
    )


@job("catalog.quality", every="23 * * * *")
def measure_in_background(city: City, dataset: str | None = None) -> None:
    """Measure one dataset, or every one whose table has changed since it was measured (or a day has passed)."""
    names = [dataset] if dataset else [str(row["name"]) for row in city.db.all(TO_MEASURE)]
    for name in names:
        try:
            measure(city, name)
        except NotFound:
            log.info("quality: %s has no table any more", name)
