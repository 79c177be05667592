"""Reporting as a case (指标填报流程): units are asked for a period's figures, fill them in, rules check them, the bureau confirms, they count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from sanqu.cases.history import done_by
from sanqu.cases.hooks import Shown, on_end, on_service, on_show, on_task
from sanqu.cases.notices import colleagues, tell
from sanqu.cases.processes import declare_folder
from sanqu.cases.records import Case, Process
from sanqu.cases.start import start_case
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Refused
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import defer
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.units import find_units
from sanqu.indicators.keeping import list_indicators
from sanqu.indicators.parts import Key
from sanqu.indicators.periods import parse_period
from sanqu.indicators.projects.keeping import bureau_of, keeps_plan, require_staff
from sanqu.indicators.records import Indicator
from sanqu.indicators.reporting.loading import Before, read_figure
from sanqu.indicators.reporting.reported import Said, broken_rules, keep_said, leaps, strange

PROCESS = "indicator-report"
FOLDER = Path(__file__).parent / "processes"
WITHIN = "5wd"
ADD = "INSERT INTO indicator_report (case_number, unit, period, codes, asked) VALUES (%s, %s, %s, %s, %s)"
IS_ASKED = "SELECT 1 FROM indicator_report WHERE unit = %s AND period = %s AND state <> 'void'"
STATE = "UPDATE indicator_report SET state = 'published', published = %s WHERE case_number = %s"
VOID = "UPDATE indicator_report SET state = 'void' WHERE case_number = %s AND state = 'asked'"
LIST = """
SELECT r.case_number, r.unit, r.period, r.codes, r.state, r.asked, r.published,
    coalesce((SELECT bool_or(coalesce(t.done_at, now()) > t.due) FROM case_task t JOIN case_case c ON c.id = t.case_id
              WHERE c.number = r.case_number AND t.name = 'fill' AND t.due IS NOT NULL), false) AS late
FROM indicator_report r WHERE r.state <> 'void' AND (%(period)s::text IS NULL OR r.period = %(period)s) ORDER BY r.period DESC, r.unit LIMIT 500
"""


@dataclass(frozen=True)
class Owed:
    """One unit's report of a period."""

    case_number: str
    unit: str
    period: str
    codes: tuple[str, ...]
    state: str
    asked: datetime
    published: datetime | None
    late: bool


def declare_report_process(city: City) -> list[Process]:
    """Keep the newest version of the process; a file that has not changed changes nothing."""
    import_module("sanqu.indicators.reporting.asking")
    return declare_folder(city, FOLDER)


def ask_for(city: City, asker: Asker, period: str, *, at: datetime | None = None) -> int:
    """Ask every unit that owes figures for those of a period, each once; gives how many units were asked now.

    Raises `BadInput` for a period, `Refused` for one who does not keep the plan.
    """
    when, moment, asked = parse_period(period), at or now(), 0
    owing = owed_by(city)
    with city.db.connection() as conn:
        if asker is not SYSTEM and not keeps_plan(conn, city, asker):
            raise Refused("indicators.bureau", Text(zh="由规划牵头单位发起", en="The bureau that keeps the plan asks"), Text(zh="请它的管理员办理", en="Ask its stewards"), bureau_of(city))
        for unit, codes in sorted(owing.items()):
            if conn.execute(IS_ASKED, (unit, str(when))).fetchone() is not None:
                continue
            data = {"period": str(when), "reporter": unit, "bureau": bureau_of(city), "codes": codes, "within": WITHIN, "decision": ""}
            case = start_case(city, SYSTEM, PROCESS, f"填报指标：{when}", f"period:{when}", unit, data, conn=conn, at=moment)
            conn.execute(ADD, (case.number, unit, str(when), codes, moment))
            tell(conn, colleagues(conn, unit), moment, Text(zh=f"请填报 {len(codes)} 项指标（{when}）", en=f"{len(codes)} indicators are asked of you ({when})"), f"/indicators/fill/{case.number}")
            asked += 1
        if asked:
            append(conn, kind="indicators.report-asked", actor=asker.label, subject=f"period:{when}", facts={"units": asked})
    return asked


def owed_by(city: City) -> dict[str, list[str]]:
    """Which unit owes which indicators: the steward of each that is reported by it, every county of those reported by counties."""
    found: dict[str, list[str]] = {}
    counties = [one.code for one in find_units(city, kind="county", limit=500)[0]]
    for one in list_indicators(city):
        units = counties if one.reporter == "county" else [one.steward] if one.reporter == "steward" and one.steward else []
        for unit in units:
            found.setdefault(unit, []).append(one.code)
    return found


def key_of(indicator: Indicator, unit: str) -> Key:
    """Which part a unit's figure is: its county's, where counties report; else the whole."""
    if indicator.reporter == "county":
        return next(((one.name, unit) for one in indicator.dimensions if one.units), ("", ""))
    return ("", "")


def list_owed(city: City, asker: Asker, period: str | None = None) -> list[Owed]:
    """What was asked and given, the newest period first."""
    require_staff(asker)
    return [Owed(**{**row, "codes": tuple(row["codes"])}) for row in city.db.all(LIST, {"period": period})]


def asked_in(city: City, case: Case) -> list[Indicator]:
    """The indicators that a case asks."""
    known = {one.code: one for one in list_indicators(city)}
    return [known[code] for code in case.data["codes"] if code in known]


def _check(city: City, _conn: Connection, case: Case) -> Mapping[str, Any]:
    """Check what was filled in: whole, numbers, bounds, the rules between them; a leap needs a word. What does not fit undoes the step."""
    said, explained, unit = dict(case.data.get("values") or {}), str(case.data.get("explained") or "").strip(), case.data["reporter"]
    period, before = parse_period(case.data["period"]), Before(city, case.data["codes"])
    values: dict[str, float] = {}
    indicators = asked_in(city, case)
    for one in indicators:
        written = str(said.get(one.code) or "").strip()
        if not written:
            raise BadInput("indicators.missing", Text(zh=f"还没有填：{one.title.zh}", en=f"Not filled in: {one.title.in_('en')}"), Text(zh="每一项都要填；没有就填 0", en="Fill in each; 0 where there is none"), one.code)
        values[one.code] = read_figure(written)
        last = before.of(Said(one.code, key_of(one, unit), period, values[one.code]))
        wrong = strange(one, values[one.code])
        if wrong is not None:
            raise BadInput("indicators.strange", wrong, Text(zh="改正这一项", en="Mend this one"), one.code)
        leap = leaps(one, values[one.code], last)
        if leap is not None and not explained:
            raise BadInput("indicators.leap", leap, Text(zh="在说明里写原因", en="Say why in the note"), one.code)
    if broken := broken_rules(indicators, values):
        raise BadInput("indicators.logic", broken[0], Text(zh="改正有关的项", en="Mend what it names"), case.number)
    return {"values": {code: repr(value) for code, value in values.items()}}


def _publish(city: City, conn: Connection, case: Case) -> None:
    unit, period, by = case.data["reporter"], parse_period(case.data["period"]), done_by(conn, case, "fill")
    known = {one.code: one for one in asked_in(city, case)}
    note = str(case.data.get("explained") or "")
    keep_said(conn, [Said(code, key_of(known[code], unit), period, float(value), note) for code, value in case.data["values"].items() if code in known], f"case:{case.number}", by)
    conn.execute(STATE, (now(), case.number))
    defer(conn, "indicators.evaluate", once="indicators.evaluate")


def _ended(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(VOID, (case.number,))


def _shown(city: City, asker: Asker, case: Case) -> Shown:
    if not asker.is_staff:
        return Shown()
    facts: list[tuple[Text, Text | str]] = [(Text(zh="报告期", en="Period"), case.data["period"])]
    facts += [(one.title, f"{(case.data.get('values') or {}).get(one.code, '—')} {one.unit.zh}") for one in asked_in(city, case)]
    return Shown(tuple(facts), ((Text(zh="谁报了、谁还欠", en="Who reported and who owes"), "/indicators/reports"),))


on_service(PROCESS, "check", _check)
on_service(PROCESS, "publish", _publish)
on_end(PROCESS, _ended)
on_show(PROCESS, _shown)
on_task(PROCESS, "fill", "/indicators/fill/{number}")
