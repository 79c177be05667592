"""Works out the figures of all indicators: queries through the door, formulas over what they gave; with whence each came."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, SanquError
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import defer, job
from sanqu.ground.people.askers import PUBLIC
from sanqu.indicators.formulas import in_order, names_in, worked_out
from sanqu.indicators.keeping import figures_of, list_indicators, revise, set_targets
from sanqu.indicators.parts import Key, Parts, parts_of, revise_parts
from sanqu.indicators.periods import Period, parse_period
from sanqu.indicators.records import Figure, Indicator, Target, Way
from sanqu.indicators.reporting.reported import said_of
from sanqu.sharing.door import Answer, Question, ask

log = logging.getLogger(__name__)

PURPOSE = "indicators"
MOST_FIGURES = 5000

Standing = Mapping[str, Mapping[Period, Figure]]
Found = dict[Period, tuple[float, dict[str, Any]]]
# The whole, among the parts.
WHOLE: Key = ("", "")


@job("indicators.evaluate", every="17 * * * *")
def evaluate(city: City) -> dict[str, str]:
    """Work out every indicator anew; what differs from what stands becomes a revision.

    An indicator that cannot be worked out keeps its figures; the others go on. Gives the reason for each that could not.
    """
    indicators = in_order(list_indicators(city))
    codes = [one.code for one in indicators]
    standing, parts = figures_of(city, codes), parts_of(city, codes)
    failed: dict[str, str] = {}
    for one in indicators:
        try:
            found, targets = _found(city, one, standing, parts), _targets(city, one)
        except SanquError as fault:
            log.warning("indicator %s was not worked out: %s", one.code, fault.what.en)
            failed[one.code] = fault.what.en
            continue
        with city.db.connection() as conn:
            set_targets(conn, one.code, targets.values())
            changed = revise(conn, one.code, standing[one.code], found.pop(WHOLE, {}))
            changed += revise_parts(conn, one.code, parts[one.code], found)
        if changed:
            standing |= figures_of(city, [one.code])
            parts |= parts_of(city, [one.code])
    # Forecasts that are up to date cost nothing, and what scenes read of indicators is written after them.
    with city.db.connection() as conn:
        defer(conn, "indicators.forecast", once="indicators.forecast")
    return failed


def _found(city: City, indicator: Indicator, standing: Standing, parts: Mapping[str, Parts]) -> dict[Key, Found]:
    """The figures of the whole and of each part; of several ways the first that gives one."""
    found: dict[Key, Found] = {}
    for way in indicator.ways:
        given = _given(city, indicator, way, standing, parts)
        for key, figures in given.items():
            for period, figure in figures.items():
                found.setdefault(key, {}).setdefault(period, figure)
    return found


def _given(city: City, indicator: Indicator, way: Way, standing: Standing, parts: Mapping[str, Parts]) -> Mapping[Key, Found]:
    if way.reported:
        return said_of(city, indicator.code)
    return _asked(city, indicator, way) if way.sql is not None else _calculated_all(indicator, way, standing, parts)


def _key_of(indicator: Indicator, row: Mapping[str, Any]) -> Key:
    """Which part a row is about: the first dimension of which it names a member."""
    return next(((one.name, str(row[one.name])) for one in indicator.dimensions if row.get(one.name) not in (None, "")), WHOLE)


def _asked(city: City, indicator: Indicator, way: Way) -> dict[Key, Found]:
    assert way.sql is not None
    answer = _read(city, indicator, way.sql)
    basis = {"sql": way.sql, "digest": answer.digest, "snapshots": dict(answer.snapshots), "note": _note(way)}
    told: dict[Key, Found] = {}
    for row in answer.table.to_pylist():
        if row["value"] is None:
            continue
        period = parse_period(row["period"], indicator.code)
        found = told.setdefault(_key_of(indicator, row), {})
        if period in found:
            raise BadInput(
                "indicators.twice",
                Text(zh=f"查询对 {period} 给出两个数", en=f"The query gives two figures for {period}"),
                Text(zh="让查询对每个报告期只给一行", en="Let the query give one row for each period"),
                indicator.code,
            )
        found[period] = float(row["value"]), basis
    return told


def _read(city: City, indicator: Indicator, sql: str) -> Answer:
    answer = ask(city, PUBLIC, Question(sql, PURPOSE, rows=MOST_FIGURES, via="indicators"))
    missing = sorted({"period", "value"} - set(answer.table.column_names))
    if missing:
        raise BadInput(
            "indicators.columns",
            Text(zh=f"查询没有这些列：{'、'.join(missing)}", en=f"The query lacks the columns {', '.join(missing)}"),
            Text(zh="查询要给出 period 和 value", en="A query gives period and value"),
            indicator.code,
        )
    return answer


def _calculated_all(indicator: Indicator, way: Way, standing: Standing, parts: Mapping[str, Parts]) -> dict[Key, Found]:
    """What a formula gives for the whole, and for each part that all it names have."""
    assert way.formula is not None
    of = sorted(names_in(way.formula, indicator.code))
    found = {WHOLE: _calculated(indicator, way, standing)}
    names = {one.name for one in indicator.dimensions}
    shared = set.intersection(*({key for key in parts[code] if key[0] in names} for code in of)) if of and names else set()
    return found | {key: _calculated(indicator, way, {code: parts[code][key] for code in of}) for key in shared}


def _calculated(indicator: Indicator, way: Way, standing: Standing) -> Found:
    assert way.formula is not None
    of = sorted(names_in(way.formula, indicator.code))
    periods = set.intersection(*(set(standing[code]) for code in of)) if of else set()
    found: Found = {}
    for period in periods:
        used = {code: standing[code][period] for code in of}
        value = worked_out(way.formula, {code: one.value for code, one in used.items()}, indicator.code)
        if value is not None:
            basis = {code: {"value": one.value, "revision": one.revision} for code, one in used.items()}
            found[period] = value, {"formula": way.formula, "of": basis, "note": _note(way)}
    return found


def _note(way: Way) -> dict[str, str] | None:
    return None if way.note is None else way.note.model_dump()


def _targets(city: City, indicator: Indicator) -> dict[Period, Target]:
    found: dict[Period, Target] = {}
    if indicator.targets is not None:
        for row in _read(city, indicator, indicator.targets).table.to_pylist():
            period = parse_period(row["period"], indicator.code)
            found[period] = Target(period, float(row["value"]), str(row.get("comparator") or "="), indicator.source)
    for aim in indicator.aims:
        period = parse_period(aim.period, indicator.code)
        found[period] = Target(period, aim.value, aim.comparator, aim.source)
    return found
