"""Reported figures: what a unit said, kept with who said it; an indicator with the way `reported` takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sanqu.cases.conditions import value_of
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.indicators.formulas import names_in
from sanqu.indicators.parts import Key
from sanqu.indicators.periods import Period, parse_period
from sanqu.indicators.records import Indicator

NEWEST = """
SELECT DISTINCT ON (dimension, member, period) dimension, member, period, value, note, origin, actor, at FROM indicator_reported
WHERE code = %s ORDER BY dimension, member, period, id DESC
"""
ADD = "INSERT INTO indicator_reported (code, dimension, member, period, value, note, origin, actor, at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
# By how much a figure may differ from the one before it without a word.
JUMP = 0.5


@dataclass(frozen=True)
class Said:
    """One figure that was said: of which indicator, which part, which period."""

    code: str
    key: Key
    period: Period
    value: float
    note: str = ""


def keep_said(conn: Connection, figures: Iterable[Said], origin: str, actor: str) -> int:
    """Keep figures; gives how many. They count from the next time the indicators are worked out."""
    at, count = now(), 0
    for one in figures:
        conn.execute(ADD, (one.code, *one.key, str(one.period), one.value, one.note, origin, actor, at))
        count += 1
    append(conn, kind="indicators.reported", actor=actor, subject=origin, facts={"figures": count})
    return count


def said_of(city: City, code: str) -> dict[Key, dict[Period, tuple[float, dict[str, Any]]]]:
    """What was said of an indicator, the newest of each figure, with whence it came."""
    found: dict[Key, dict[Period, tuple[float, dict[str, Any]]]] = {}
    for row in city.db.all(NEWEST, (code,)):
        basis = {"reported": row["origin"], "by": row["actor"], "at": row["at"].isoformat(), "said": row["note"]}
        found.setdefault((row["dimension"], row["member"]), {})[parse_period(row["period"], code)] = float(row["value"]), basis
    return found


def strange(indicator: Indicator, value: float) -> Text | None:
    """Why a figure cannot be: outside of its bounds. None where it can."""
    low, high = indicator.least, indicator.most
    if (low is not None and value < low) or (high is not None and value > high):
        return Text(zh=f"{indicator.title.zh} 应在 {_n(low)} 与 {_n(high)} 之间，报的是 {value:g}", en=f"{indicator.title.in_('en')} lies between {_n(low)} and {_n(high)}, not {value:g}")
    return None


def leaps(indicator: Indicator, value: float, before: float | None) -> Text | None:
    """What is odd about a figure beside the one before it; None where nothing is."""
    if before is None or before == 0 or abs(value / before - 1) <= JUMP:
        return None
    return Text(zh=f"{indicator.title.zh} 从 {before:g} 变为 {value:g}（{value / before - 1:+.0%}）", en=f"{indicator.title.in_('en')} went from {before:g} to {value:g} ({value / before - 1:+.0%})")


def broken_rules(indicators: Iterable[Indicator], values: Mapping[str, float]) -> list[Text]:
    """The logic rules (逻辑审核) that figures of one part and period break; a rule is looked at where all that it names is there."""
    found: list[Text] = []
    for one in indicators:
        for rule in one.checks:
            if names_in(rule.rule, one.code) <= values.keys() and not value_of(rule.rule, dict(values), one.code):
                found.append(Text(zh=f"{rule.message.zh}（{rule.rule}）", en=f"{rule.message.in_('en')} ({rule.rule})"))
    return found


def _n(value: float | None) -> str:
    return "—" if value is None else f"{value:g}"
