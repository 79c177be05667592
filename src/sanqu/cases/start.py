"""Starts a case (办件) of a process."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from psycopg.types.json import Jsonb

from sanqu.cases.history import note_step
from sanqu.cases.processes import newest_process
from sanqu.cases.records import Case, person_label
from sanqu.cases.steps import Held, check_data, move_on, read_plan, within
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

LONGEST_TITLE = 200
LONGEST_SUBJECT = 200

NUMBER = "SELECT nextval('case_number') AS n"
IS_UNIT = "SELECT 1 FROM org_unit WHERE code = %s"
ADD = """
INSERT INTO case_case (id, number, process, version, title, title_en, subject, applicant, unit, data, engine, created)
VALUES (%(id)s, %(number)s, %(process)s, %(version)s, %(title)s, %(title_en)s, %(subject)s, %(applicant)s, %(unit)s, %(data)s, '{}', %(created)s)
"""


def start_case(
    city: City, asker: Asker, process: str, title: str | Text, subject: str = "", unit: str | None = None,
    data: Mapping[str, Any] | None = None, *, conn: Connection | None = None, at: datetime | None = None,
) -> Case:  # fmt: skip
    """Start a case of the newest version of `process`, in the caller's transaction when `conn` is given.

    A title in one language alone stands for both. `subject` names what it is about, such as `dataset:residents`; `unit` is the unit it concerns; `data` is what conditions
    and unit expressions see. Raises `NotFound` for a process or unit that is not there, `BadInput` for a title or data that
    do not fit, `Refused` for the public, `Conflict` when the first task leads to no unit.
    """
    called = title if isinstance(title, Text) else Text(zh=title)
    _check(asker, called, subject)
    at = at or now()
    given = dict(data or {})
    check_data(given, process)
    with within(city, conn) as held_by:
        declared = newest_process(held_by, process)
        if unit is not None and held_by.execute(IS_UNIT, (unit,)).fetchone() is None:
            raise not_found(Text(zh="机构", en="unit"), unit)
        case = Case(
            uuid4(), _number(held_by, at), process, declared.version, called.zh.strip(), subject, person_label(asker), unit, given,
            "open", "", at, None, called.en.strip() if called.en != called.zh else "",
        )  # fmt: skip
        held_by.execute(ADD, {**_row(case), "data": Jsonb(given)})
        note_step(held_by, case, at, asker.label, "started", facts={"subject": subject, "unit": unit})
        return move_on(city, held_by, _begun(held_by, case, declared.created), at)


def _check(asker: Asker, title: Text, subject: str) -> None:
    if not asker.signed_in:
        raise Refused(
            "cases.sign-in",
            Text(zh="登录后才能办事", en="Sign in to start a case"),
            Text(zh="登录后再办", en="Sign in, and start it again"),
            status=401,
        )
    if not 0 < len(title.zh.strip()) <= LONGEST_TITLE or len(title.en) > LONGEST_TITLE or len(subject) > LONGEST_SUBJECT:
        raise BadInput(
            "cases.title",
            Text(zh="标题或事由对象不合规", en="The title or the subject does not fit"),
            Text(
                zh=f"标题必填；各至多 {LONGEST_TITLE} 个字符",
                en=f"A title is needed; each has at most {LONGEST_TITLE} characters",
            ),
            title.zh[:80],
        )


def _number(conn: Connection, at: datetime) -> str:
    row = conn.execute(NUMBER).fetchone()
    assert row is not None
    return f"{at.astimezone(CITY_ZONE):%Y%m%d}-{int(row['n']):06d}"


def _row(case: Case) -> dict[str, Any]:
    return {
        "id": case.id, "number": case.number, "process": case.process, "version": case.version, "title": case.title, "title_en": case.title_en,
        "subject": case.subject, "applicant": case.applicant, "unit": case.unit, "created": case.created,
    }  # fmt: skip


def _begun(conn: Connection, case: Case, declared: datetime) -> Held:
    return Held.of(case, *read_plan(conn, case.process, case.version, declared), None)
