"""Inspections (检查): which the asker may see, their cases, lists and export."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sanqu.cases.notices import tell
from sanqu.cases.start import start_case
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import SanquError, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.supervision.drawing import make_draw
from sanqu.supervision.plans import ONE as PLAN
from sanqu.supervision.plans import require_staff, sees_all_of
from sanqu.supervision.records import INSPECTION_COLUMNS, PROCESS, Draw, Inspection, Plan, inspection_from, plan_from

# A page waits for so many cases to start; the clock starts the others.
AT_ONCE = 50

log = logging.getLogger(__name__)

FROM = "FROM supervision_inspection i JOIN supervision_plan p ON p.number = i.plan"
VISIBLE = "(%(everywhere)s OR p.units && %(reach)s::text[])"
WANTED = f"""{VISIBLE} AND (%(plan)s::text IS NULL OR i.plan = %(plan)s) AND (%(round)s::int IS NULL OR i.round = %(round)s)
    AND (%(state)s::text IS NULL OR i.state = %(state)s) AND (%(result)s::text IS NULL OR i.result = %(result)s)
    AND (%(county)s::text IS NULL OR i.county = %(county)s) AND (%(target)s::text IS NULL OR i.target = %(target)s)
    AND (%(text)s::text IS NULL OR i.name ILIKE %(like)s OR i.number ILIKE %(like)s)"""
LIST = f"SELECT {INSPECTION_COLUMNS} {FROM} WHERE {WANTED} ORDER BY i.drawn DESC, i.number LIMIT %(limit)s OFFSET %(offset)s"
COUNT = f"SELECT count(*) AS n {FROM} WHERE {WANTED}"
ONE = f"SELECT {INSPECTION_COLUMNS} {FROM} WHERE {VISIBLE} AND i.number = %(number)s"
BY_CASE = f"SELECT {INSPECTION_COLUMNS} FROM supervision_inspection i WHERE i.case_number = %s"
WAITING = f"""
SELECT {INSPECTION_COLUMNS} FROM supervision_inspection i WHERE i.case_number IS NULL AND i.state = 'drawn'
    AND (%(plan)s::text IS NULL OR i.plan = %(plan)s) ORDER BY i.drawn, i.number LIMIT 1 FOR UPDATE SKIP LOCKED
"""
OPENED = "UPDATE supervision_inspection SET case_number = %s, changed = %s WHERE number = %s"
PEOPLE = "SELECT 'user:' || person AS label FROM supervision_inspector WHERE certificate = ANY(%s) AND person IS NOT NULL"


@dataclass(frozen=True)
class Wanted:
    """What a list is narrowed to; None is anything."""

    plan: str | None = None
    round: int | None = None
    state: str | None = None
    result: str | None = None
    county: str | None = None
    target: str | None = None
    text: str | None = None

    def params(self) -> dict[str, Any]:
        """As the queries of this module name them."""
        return {**self.__dict__, "like": f"%{self.text or ''}%"}


def list_inspections(city: City, asker: Asker, wanted: Wanted, limit: int = 50, offset: int = 0) -> tuple[list[Inspection], int]:
    """A page of the inspections that the asker's units carry out, the newest first; and how many there are."""
    require_staff(asker)
    with city.db.connection() as conn:
        given = {**wanted.params(), **sees_all_of(conn, asker)}
        rows = conn.execute(LIST, {**given, "limit": limit, "offset": offset}).fetchall()
        counted = conn.execute(COUNT, given).fetchone()
    return [inspection_from(row) for row in rows], int(counted["n"]) if counted else 0


def export_inspections(city: City, asker: Asker, wanted: Wanted) -> Iterator[str]:
    """The list as CSV, a thousand rows at a time."""
    names = ("number", "plan", "target", "name", "county", "kind", "grade", "state", "result", "problems", "visited", "corrected", "published")
    yield "\ufeff" + _line(names)
    offset = 0
    while found := list_inspections(city, asker, wanted, 1000, offset)[0]:
        yield "".join(_line([getattr(one, name) for name in names]) for one in found)
        offset += len(found)


def _line(values: Any) -> str:
    out = io.StringIO()
    # What a spreadsheet would compute gets a quote in front.
    csv.writer(out).writerow([f"'{one}" if isinstance(one, str) and one[:1] in "=+-@" and one != "-" else one for one in values])
    return out.getvalue()


def find_inspection(city: City, asker: Asker, number: str) -> Inspection:
    """An inspection that the asker's units carry out; raises `NotFound`, `Refused`."""
    require_staff(asker)
    with city.db.connection() as conn:
        row = conn.execute(ONE, {"number": number, **sees_all_of(conn, asker)}).fetchone()
    if row is None:
        raise not_found(Text(zh="检查", en="inspection"), number[:60])
    return inspection_from(row)


def inspection_of(conn: Connection, case_number: str) -> Inspection:
    """The inspection beside a case, whoever asks."""
    row = conn.execute(BY_CASE, (case_number,)).fetchone()
    if row is None:
        raise not_found(Text(zh="检查", en="inspection"), case_number[:60])
    return inspection_from(row)


def plan_of(conn: Connection, number: str) -> Plan:
    """The plan of this number, whoever asks."""
    row = conn.execute(PLAN, (number,)).fetchone()
    if row is None:
        raise not_found(Text(zh="抽查计划", en="plan of inspection"), number[:40])
    return plan_from(row)


def open_inspections(city: City, plan: str | None = None, *, most: int = 500, at: datetime | None = None) -> int:
    """Start the cases of drawn targets that have none, each in a transaction of its own; returns how many were started."""
    for opened in range(most):
        with city.db.connection() as conn:
            row = conn.execute(WAITING, {"plan": plan}).fetchone()
            if row is None:
                return opened
            _open(city, conn, inspection_from(row), at or now())
    return most


def _open(city: City, conn: Connection, one: Inspection, at: datetime) -> None:
    rules = plan_of(conn, one.plan).rules
    data = {
        "inspection": one.number, "lead": rules.lead, "partners": list(rules.partners), "correct_within": f"{rules.correct_days}wd",
        "items": list(rules.items), "again": False, "must_correct": False, "rounds": 0,
    }  # fmt: skip
    case = start_case(city, SYSTEM, PROCESS, f"双随机检查：{one.name}"[:200], f"inspection:{one.number}", rules.lead, data, conn=conn, at=at)
    conn.execute(OPENED, (case.number, at, one.number))
    people = [str(found["label"]) for found in conn.execute(PEOPLE, (list(one.inspectors),))]
    told = Text(zh=f"您被抽中检查：{one.name}", en=f"You were drawn to inspect {one.name}")
    tell(conn, people, at, told, f"/cases/{case.number}")


def draw_and_open(city: City, asker: Asker, number: str, witness: str) -> Draw:
    """Draw, and start the cases at once; what is cut off here is started by the city's clock. Raises what `make_draw` raises."""
    drawn = make_draw(city, asker, number, witness)
    open_inspections(city, number, most=AT_ONCE)
    return drawn


@job("supervision.open", every="*/5 * * * *")
def open_waiting(city: City) -> int:
    """Start the cases that a draw was cut off before it had started."""
    try:
        return open_inspections(city)
    except SanquError as fault:
        log.warning("cases of drawn targets could not be started: %s", fault)
        return 0
