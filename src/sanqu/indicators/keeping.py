"""Indicators in the database: definitions, targets, and figures that are revised and never overwritten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg.types.json import Jsonb
from pydantic import ValidationError

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import SYSTEM
from sanqu.indicators.formulas import in_order
from sanqu.indicators.periods import Period, parse_period
from sanqu.indicators.records import Figure, Indicator, Target

SAVE = """
INSERT INTO indicator (code, position, body, origin) VALUES (%s, %s, %s, %s)
ON CONFLICT (code) DO UPDATE SET position = excluded.position, body = excluded.body, origin = excluded.origin, active = true
"""
DROP = "UPDATE indicator SET active = false WHERE code <> ALL(%s) AND origin = %s"
LIST = "SELECT body FROM indicator WHERE active ORDER BY origin <> 'city', origin, position"
OTHERS = "SELECT body, origin FROM indicator WHERE active AND origin <> %s"
ONE = "SELECT body FROM indicator WHERE code = %s AND active"
NEWEST = """
SELECT DISTINCT ON (code, period) code, period, revision, value, basis, at FROM indicator_figure
WHERE code = ANY(%s) ORDER BY code, period, revision DESC
"""
ALL_OF = "SELECT code, period, revision, value, basis, at FROM indicator_figure WHERE code = %s ORDER BY period, revision"
ADD = "INSERT INTO indicator_figure (code, period, revision, value, basis) VALUES (%s, %s, %s, %s, %s)"
TARGETS = "SELECT code, period, value, comparator, source FROM indicator_target WHERE code = ANY(%s)"
SET_TARGET = "INSERT INTO indicator_target (code, period, value, comparator, source) VALUES (%s, %s, %s, %s, %s)"
DROP_TARGETS = "DELETE FROM indicator_target WHERE code = %s"


def read_indicator(said: Mapping[str, Any]) -> Indicator:
    """An indicator from its TOML; raises `BadInput` naming it and what does not fit."""
    try:
        return Indicator.model_validate(said)
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            "indicators.definition",
            Text(zh=f"指标的定义不合规：{where}：{first['msg']}", en=f"The definition of the indicator does not fit: {where}: {first['msg']}"),
            Text(zh="见 docs/rooms/indicators.md", en="See docs/rooms/indicators.md"),
            str(said.get("code", "")),
        ) from fault


def save_indicators(conn: Connection, indicators: Iterable[Indicator], origin: str = "city") -> None:
    """Let these be the indicators of `origin` (the city itself, or a scene); those that are no longer among them keep their
    figures and are shown no more.

    Raises `BadInput` for formulas that name what is not there or go round in a circle, and for a code that another origin has,
    before anything is kept.
    """
    found = list(indicators)
    others = {row["body"]["code"]: row for row in conn.execute(OTHERS, (origin,)).fetchall()}
    if taken := next((one.code for one in found if one.code in others), None):
        raise BadInput(
            "indicators.taken", Text(zh=f"指标 {taken} 已属于 {others[taken]['origin']}", en=f"The indicator {taken} belongs to {others[taken]['origin']}"),
            Text(zh="换一个代码", en="Choose another code"), taken,
        )  # fmt: skip
    in_order([*found, *(Indicator.model_validate(row["body"]) for row in others.values())])
    for place, one in enumerate(found):
        conn.execute(SAVE, (one.code, place, Jsonb(one.model_dump(mode="json")), origin))
    conn.execute(DROP, ([one.code for one in found], origin))


def list_indicators(city: City) -> list[Indicator]:
    """The city's indicators in their order."""
    return [Indicator.model_validate(row["body"]) for row in city.db.all(LIST)]


def find_indicator(city: City, code: str) -> Indicator:
    """One of them; raises `NotFound`."""
    row = city.db.one(ONE, (code,))
    if row is None:
        raise not_found(Text(zh="指标", en="indicator"), code)
    return Indicator.model_validate(row["body"])


def figures_of(city: City, codes: Iterable[str]) -> dict[str, dict[Period, Figure]]:
    """The figures of each as they stand now; a figure that was taken back is not among them."""
    found: dict[str, dict[Period, Figure]] = {code: {} for code in codes}
    for row in city.db.all(NEWEST, (list(found),)):
        if row["value"] is not None:
            one = _figure(row)
            found[row["code"]][one.period] = one
    return found


def revisions_of(city: City, code: str) -> dict[Period, list[dict[str, Any]]]:
    """Every revision of every figure of one indicator, the first first; `value` is None where it was taken back."""
    found: dict[Period, list[dict[str, Any]]] = {}
    for row in city.db.all(ALL_OF, (code,)):
        found.setdefault(parse_period(row["period"], code), []).append(dict(row))
    return found


def _figure(row: Mapping[str, Any]) -> Figure:
    return Figure(parse_period(row["period"], row["code"]), row["value"], row["revision"], row["at"], row["basis"])


def targets_of(city: City, codes: Iterable[str]) -> dict[str, dict[Period, Target]]:
    """The targets of each."""
    found: dict[str, dict[Period, Target]] = {code: {} for code in codes}
    for row in city.db.all(TARGETS, (list(found),)):
        period = parse_period(row["period"], row["code"])
        found[row["code"]][period] = Target(period, row["value"], row["comparator"], Text.model_validate(row["source"]))
    return found


def set_targets(conn: Connection, code: str, targets: Iterable[Target]) -> None:
    """Let these be the targets of an indicator."""
    conn.execute(DROP_TARGETS, (code,))
    for one in targets:
        conn.execute(SET_TARGET, (code, str(one.period), one.value, one.comparator, Jsonb(one.source.model_dump())))


def revise(
    conn: Connection, code: str, standing: Mapping[Period, Figure], found: Mapping[Period, tuple[float, dict[str, Any]]]
) -> int:
    """Keep what was found where it differs from what stands; a period that has no figure any more is taken back.

    `standing` are the figures as they stand; how many revisions were added is given back, and noted in the ledger.
    """
    added: list[str] = []
    for period in sorted(standing.keys() | found.keys()):
        old, new = standing.get(period), found.get(period)
        if new is not None and old is not None and new[0] == old.value:
            continue
        row = conn.execute(
            "SELECT coalesce(max(revision), 0) + 1 AS next FROM indicator_figure WHERE code = %s AND period = %s", (code, str(period))
        ).fetchone()
        assert row is not None
        conn.execute(ADD, (code, str(period), row["next"], None if new is None else new[0], Jsonb({} if new is None else new[1])))
        added.append(str(period))
    if added:
        append(conn, kind="indicators.figures", actor=SYSTEM.label, subject=f"indicator:{code}", facts={"periods": added})
    return len(added)
