"""Appeals (申诉): a unit says which point is wrong and why; the bureau upholds it or changes it, with a reason that stays with the point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from sanqu.cases.history import done_by
from sanqu.cases.hooks import Shown, on_end, on_service, on_show
from sanqu.cases.processes import declare_folder
from sanqu.cases.records import Case, Process
from sanqu.cases.start import start_case
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import defer
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import path_of
from sanqu.indicators.assessment.records import Criterion
from sanqu.indicators.assessment.rounds import LONGEST, find_round, keep_decided, league
from sanqu.indicators.projects.keeping import bureau_of

PROCESS = "assess-appeal"
FOLDER = Path(__file__).parent / "processes"

ADD = "INSERT INTO assess_appeal (case_number, round, unit, item, reason, state, before, at) VALUES (%s, %s, %s, %s, %s, 'open', %s, %s)"
OPEN = "SELECT case_number FROM assess_appeal WHERE round = %s AND unit = %s AND item = %s AND state = 'open'"
SETTLE = "UPDATE assess_appeal SET state = %s, after = %s, answer = %s WHERE case_number = %s"
WITHDRAW = "UPDATE assess_appeal SET state = 'withdrawn' WHERE case_number = %s AND state = 'open'"
LIST = "SELECT case_number, unit, item, reason, state, before, after, answer, at FROM assess_appeal WHERE round = %s AND (%s::text IS NULL OR unit = %s) ORDER BY at DESC"


@dataclass(frozen=True)
class Appeal:
    """One appeal, and how it was decided."""

    case_number: str
    unit: str
    item: str
    reason: str
    state: str
    before: float
    after: float | None
    answer: str
    at: datetime


def declare_appeal_process(city: City) -> list[Process]:
    """Keep the newest version of the process; a file that has not changed changes nothing."""
    import_module("sanqu.indicators.assessment.appeals")
    return declare_folder(city, FOLDER)


def appeal(city: City, asker: Asker, number: int, unit: str, item: str, reason: str, *, at: datetime | None = None) -> Case:
    """Appeal against a point: for stewards of the assessed unit, while the time for it runs. Gives the case.

    Raises `NotFound`, `Refused`, `BadInput` without a reason, `Conflict` out of time or where one about the point is open.
    """
    moment = at or now()
    round_ = find_round(city, asker, number)
    stands = next((row.points.get(item) for row in league(city, round_) if row.unit == unit), None)
    if stands is None or not 2 <= len(reason.strip()) <= LONGEST:
        raise BadInput("assessment.appeal", Text(zh="申诉的考核项或理由不合规", en="Item or reason of the appeal does not fit"), Text(zh="选一个考核项，写明理由", en="Choose an item and give a reason"), item[:40])
    if round_.state != "published" or round_.appeals_until is None or moment > round_.appeals_until:
        raise Conflict("assessment.appeal-time", Text(zh="不在申诉期内", en="It is not the time for appeals"), Text(zh="公布后、申诉期满前可以申诉", en="Appeals are possible after publication until the time is over"), str(number))
    with city.db.connection() as conn:
        path = path_of(conn, unit)
        if path is None or not any(role.role in ("steward", "admin") and path.startswith(role.path) for role in asker.held):
            raise Refused("assessment.appeal-unit", Text(zh="由被考核单位的管理员申诉", en="Stewards of the assessed unit appeal"), Text(zh="请他们办理", en="Ask them"), unit)
        if conn.execute(OPEN, (number, unit, item)).fetchone() is not None:
            raise Conflict("assessment.appeal-open", Text(zh="这一项已有未结的申诉", en="An appeal about it is open"), Text(zh="等它办结", en="Wait for its decision"), item)
        found = round_.scheme.item(item)
        most = found.points if isinstance(found, Criterion) else 0.0
        least = 0.0 if isinstance(found, Criterion) or found is None or found.kind == "bonus" else -found.most
        most = found.most if found is not None and not isinstance(found, Criterion) and found.kind == "bonus" else most
        title = found.title.zh if found else item
        data = {"round": number, "appellant": unit, "item": item, "bureau": bureau_of(city), "points_now": stands.points, "least": least, "most": most, "reason": reason.strip()}
        case = start_case(city, asker, PROCESS, f"考核申诉：{title}"[:200], f"assessment:{number}", unit, data, conn=conn, at=moment)
        conn.execute(ADD, (case.number, number, unit, item, reason.strip(), stands.points, moment))
        append(conn, kind="assessment.appealed", actor=asker.label, subject=f"assessment:{number}", facts={"unit": unit, "item": item, "case": case.number})
    return case


def list_appeals(city: City, asker: Asker, number: int, unit: str | None = None) -> list[Appeal]:
    """The appeals of a round, the newest first, of one unit if given."""
    find_round(city, asker, number)
    return [Appeal(**row) for row in city.db.all(LIST, (number, unit, unit))]


def _check(_city: City, _conn: Connection, case: Case) -> Mapping[str, Any]:
    """A change says to how many points, within what the item can be; what does not fit undoes the step."""
    if case.data.get("decision") != "change":
        return {"points_after": case.data["points_now"]}
    written = str(case.data.get("points", "")).strip()
    try:
        points = float(written)
    except ValueError:
        points = float("nan")
    if not case.data["least"] <= points <= case.data["most"]:
        raise BadInput("assessment.points", Text(zh=f"分数不合规：{written[:20]}", en=f"These points do not fit: {written[:20]}"), Text(zh=f"填 {case.data['least']:g} 到 {case.data['most']:g}", en=f"From {case.data['least']:g} to {case.data['most']:g}"), case.number)
    return {"points_after": points}


def _settle(_city: City, conn: Connection, case: Case) -> None:
    changed = case.data.get("decision") == "change"
    answer, after = str(case.data.get("answer") or ""), float(case.data["points_after"])
    by = done_by(conn, case, "decide")
    conn.execute(SETTLE, ("changed" if changed else "upheld", after, answer, case.number))
    if changed:
        keep_decided(conn, int(case.data["round"]), case.data["appellant"], case.data["item"], after, answer, case.number, by)
    append(conn, kind="assessment.decided", actor=by, subject=f"assessment:{case.data['round']}", facts={"case": case.number, "changed": changed, "points": after})
    defer(conn, "indicators.plan-to-lake", once="indicators.plan-to-lake")


def _ended(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(WITHDRAW, (case.number,))


def _shown(city: City, asker: Asker, case: Case) -> Shown:
    if not asker.is_staff:
        return Shown()
    number, unit = int(case.data["round"]), str(case.data["appellant"])
    found = find_round(city, asker, number).scheme.item(case.data["item"])
    facts: tuple[tuple[Text, Text | str], ...] = (
        (Text(zh="考核项", en="Item"), found.title if found else case.data["item"]), (Text(zh="现在的分", en="Points now"), f"{case.data['points_now']:g}"),
        (Text(zh="申诉理由", en="Reason"), str(case.data["reason"])),
    )  # fmt: skip
    return Shown(facts, ((Text(zh="这一项怎么算的", en="How it was worked out"), f"/assessment/{number}/{unit}#{case.data['item']}"),))


on_service(PROCESS, "check", _check)
on_service(PROCESS, "settle", _settle)
on_end(PROCESS, _ended)
on_show(PROCESS, _shown)
