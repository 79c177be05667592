"""Values of figures: the newest version counts; rules are checked at the report; a correction reaches all who use the value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from sanqu.cases.notices import colleagues, tell
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import path_of
from sanqu.reporting.figures import Figure, check_period, find_figure, period_before, require_staff

LARGEST = Decimal(10) ** 15

NEWEST = """
SELECT DISTINCT ON (figure, place) figure, place, period, version, value, request, actor, reason, at FROM reporting_value
WHERE figure = ANY(%(figures)s) AND place = ANY(%(places)s) AND period = %(period)s ORDER BY figure, place, version DESC
"""
HISTORY = "SELECT figure, place, period, version, value, request, actor, reason, at FROM reporting_value WHERE figure = %s AND place = %s AND period = %s ORDER BY version DESC"
ADD = """
INSERT INTO reporting_value (figure, place, period, version, value, request, actor, reason, at)
SELECT %(figure)s, %(place)s, %(period)s, coalesce(max(version), 0) + 1, %(value)s, %(request)s, %(actor)s, %(reason)s, %(at)s
FROM reporting_value WHERE figure = %(figure)s AND place = %(place)s AND period = %(period)s
"""
USERS = """
SELECT DISTINCT r.number, r.unit, r.title FROM reporting_cell c JOIN reporting_request r ON r.number = c.request
WHERE c.figure = %s AND c.place = %s AND r.period = %s AND c.how <> 'dataset' AND r.state = 'open'
"""


@dataclass(frozen=True)
class Value:
    """One version of what a place reported."""

    figure: str
    place: str
    period: str
    version: int
    value: Decimal
    request: str
    actor: str
    reason: str
    at: datetime


def newest_values(conn: Connection, figures: list[str], places: list[str], period: str) -> dict[tuple[str, str], Value]:
    """The newest reported values by figure and place."""
    rows = conn.execute(NEWEST, {"figures": figures, "places": places, "period": period})
    return {(str(row["figure"]), str(row["place"])): Value(**row) for row in rows}


def history_of(city: City, asker: Asker, figure: str, place: str, period: str) -> list[Value]:
    """All versions of a value, the newest first; raises `Refused`."""
    require_staff(asker)
    return [Value(**row) for row in city.db.all(HISTORY, (figure, place, period))]


def read_number(text: str, figure: Figure) -> Decimal:
    """A number as people write it (`1,234.5`); raises `BadInput` naming the figure."""
    try:
        value = Decimal(text.replace(",", "").replace("，", "").strip())
    except InvalidOperation as fault:
        raise _unfit(figure, f"“{text[:20]}”不是数", f"“{text[:20]}” is no number") from fault
    if not value.is_finite() or abs(value) >= LARGEST:
        raise _unfit(figure, "数太大", "the number is too large")
    return value


def check_values(conn: Connection, figures: Mapping[str, Figure], place: str, period: str, values: Mapping[str, Decimal], explained: str = "") -> None:
    """Check what a place reports against each figure's rules and the period before; raises `BadInput` naming the first that breaks one.

    A change beyond the figure's bound passes with an explanation.
    """
    for code, value in values.items():
        figure = figures[code]
        if (figure.least is not None and value < figure.least) or (figure.most is not None and value > figure.most):
            raise _unfit(figure, f"应在 {figure.least} 和 {figure.most} 之间", f"must lie between {figure.least} and {figure.most}")
        if figure.whole and value != value.to_integral_value():
            raise _unfit(figure, "应是整数", "must be a whole number")
        _check_sum(conn, figure, place, period, values)
        before = newest_values(conn, [code], [place], period_before(figure.kind, period)).get((code, place))
        if figure.change is not None and before is not None and before.value and not explained.strip():
            moved = abs(value - before.value) / abs(before.value)
            if moved > figure.change:
                raise _unfit(figure, f"比上期的 {before.value} 变动 {moved:.0%}，请写明原因", f"changed by {moved:.0%} against {before.value} of the period before: say why")


def _check_sum(conn: Connection, figure: Figure, place: str, period: str, values: Mapping[str, Decimal]) -> None:
    if not figure.sum_of:
        return
    known = newest_values(conn, list(figure.sum_of), [place], period)
    parts = [values.get(part, known[part, place].value if (part, place) in known else None) for part in figure.sum_of]
    # Parts that nobody reported cannot be added up.
    if all(part is not None for part in parts) and sum(part for part in parts if part is not None) != values[figure.code]:
        raise _unfit(figure, f"应等于 {'、'.join(figure.sum_of)} 之和", f"must be the sum of {', '.join(figure.sum_of)}")


def keep_value(conn: Connection, figure: str, place: str, period: str, value: Decimal, request: str, actor: str, at: datetime, reason: str = "") -> None:
    """Keep a value as the newest version, in the caller's transaction."""
    conn.execute(ADD, {"figure": figure, "place": place, "period": period, "value": value, "request": request, "actor": actor, "reason": reason, "at": at})


def correct_value(city: City, asker: Asker, figure: str, place: str, period: str, said: str, reason: str, *, at: datetime | None = None) -> Value:
    """Correct a reported value; every request that uses it shows the new one, and its unit is told.

    Raises `NotFound` where nothing was reported, `Refused` for others than stewards of the place, `BadInput` without a reason or
    where a rule is broken.
    """
    at = at or now()
    with city.db.connection() as conn:
        entry = find_figure(conn, figure)
        check_period(entry.figure.kind, period)
        path = path_of(conn, place)
        before = newest_values(conn, [figure], [place], period).get((figure, place))
        if path is None or before is None:
            raise not_found(Text(zh="已报的数", en="reported value"), f"{figure}/{place}/{period}"[:80])
        if not asker.may_steward(path):
            raise Refused("reporting.correct", Text(zh="由报数单位的管理员更正", en="Stewards of the place correct its values"), Text(zh="请该单位或上级更正", en="Ask that unit or the one above"), place)
        if not 2 <= len(reason.strip()) <= 500:
            raise BadInput("reporting.reason", Text(zh="更正要写明原因", en="A correction needs a reason"), Text(zh="2 到 500 个字符", en="From 2 to 500 characters"), figure)
        value = read_number(said, entry.figure)
        check_values(conn, {figure: entry.figure}, place, period, {figure: value}, explained=reason)
        keep_value(conn, figure, place, period, value, before.request, asker.label, at, reason.strip())
        append(conn, kind="reporting.corrected", actor=asker.label, subject=f"figure:{figure}", facts={"place": place, "period": period, "version": before.version + 1})
        for user in conn.execute(USERS, (figure, place, period)).fetchall():
            told = Text(zh=f"报表里的数有更正：{user['title']} · {entry.figure.title.zh} · {place}", en=f"A value was corrected: {user['title']} · {figure} · {place}")
            tell(conn, colleagues(conn, str(user["unit"])), at, told, f"/reports/{user['number']}")
        return newest_values(conn, [figure], [place], period)[figure, place]


def _unfit(figure: Figure, zh: str, en: str) -> BadInput:
    return BadInput(
        "reporting.value", Text(zh=f"{figure.title.zh}：{zh}", en=f"{figure.title.in_('en')}: {en}"), Text(zh="核对后再报", en="Check it and send it again"), figure.code,
        facts={"figure": figure.code},
    )  # fmt: skip
