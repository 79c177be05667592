"""What happened in a case, and which cases there are, as far as the asker may know."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from sanqu.cases.records import CASE_COLUMNS, TASK_COLUMNS, Case, CaseState, Step, Task, What, case_from, task_from
from sanqu.cases.rights import VISIBLE, reach_of
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import APPEND, line_of
from sanqu.ground.people.askers import Asker

# A step and its line in the ledger, in one trip to the database: a case that moves writes a dozen.
ADD = f"WITH line AS ({APPEND}) INSERT INTO case_step (case_id, at, actor, what, task, facts) VALUES (%s, %s, %s, %s, %s, %s)"
ONE = f"SELECT {CASE_COLUMNS} FROM case_case c WHERE c.number = %(number)s AND {VISIBLE}"
FILTERS = f"""
FROM case_case c
WHERE {VISIBLE}
  AND (%(process)s::text IS NULL OR c.process = %(process)s)
  AND (%(state)s::text IS NULL OR c.state = %(state)s)
  AND (%(subject)s::text IS NULL OR c.subject = %(subject)s)
  AND (%(applicant)s::text IS NULL OR c.applicant = %(applicant)s)
  AND (%(unit)s::text IS NULL OR c.unit = %(unit)s)
"""
LIST = f"SELECT {CASE_COLUMNS} {FILTERS} ORDER BY c.created DESC, c.id LIMIT %(limit)s OFFSET %(offset)s"
COUNT = f"SELECT count(*) AS n {FILTERS}"
TASKS = f"SELECT {TASK_COLUMNS} FROM case_task t JOIN case_case c ON c.id = t.case_id WHERE c.id = %s ORDER BY t.made, t.id"
STEPS = """
SELECT s.at, s.actor, s.what, s.task, s.facts, coalesce(t.title_zh, '') AS title_zh, coalesce(t.title_en, '') AS title_en
FROM case_step s LEFT JOIN case_task t ON t.id = s.task WHERE s.case_id = %s ORDER BY s.id
"""
DONE_BY = "SELECT done_by FROM case_task WHERE case_id = %s AND name = %s AND state = 'done' ORDER BY done_at DESC LIMIT 1"
# The kinds under which the ledger keeps steps; all that are not named are `cases.step`.
KINDS: dict[What, str] = {"started": "cases.start", "withdrawn": "cases.end", "ended": "cases.end"}


def note_step(
    conn: Connection, case: Case, at: datetime, actor: str, what: What, *, task: UUID | None = None,
    facts: Mapping[str, object] | None = None,
) -> None:  # fmt: skip
    """Write a step into the history and the ledger, in the caller's transaction. `facts` hold no personal data."""
    said = {"what": what, "process": f"{case.process}/{case.version}", **(facts or {})}
    line = line_of(KINDS.get(what, "cases.step"), actor, f"case:{case.number}", said)
    conn.execute(ADD, (line, case.id, at, actor, what, task, Jsonb(dict(facts or {}))))


def done_by(conn: Connection, case: Case, name: str) -> str:
    """Who did the task `name` of a case last, as the ledger names people; `system` where nobody did."""
    row = conn.execute(DONE_BY, (case.id, name)).fetchone()
    return str(row["done_by"]) if row else "system"


def find_case(city: City, asker: Asker, number: str) -> Case:
    """The case `number`; raises `NotFound`, also for one that the asker may not know of."""
    with city.db.connection() as conn:
        row = conn.execute(ONE, {"number": number, **reach_of(conn, asker)}).fetchone()
    if row is None:
        raise not_found(Text(zh="办件", en="case"), number)
    return case_from(row)


def case_tasks(city: City, asker: Asker, number: str) -> list[Task]:
    """Every task of a case, the first made first; raises `NotFound`."""
    case = find_case(city, asker, number)
    return [task_from(row) for row in city.db.all(TASKS, (case.id,))]


def case_history(city: City, asker: Asker, number: str) -> list[Step]:
    """What happened in a case, the first first; raises `NotFound`."""
    case = find_case(city, asker, number)
    return [_step(row) for row in city.db.all(STEPS, (case.id,))]


def list_cases(
    city: City, asker: Asker, *, process: str | None = None, state: CaseState | None = None, subject: str | None = None,
    applicant: str | None = None, unit: str | None = None, limit: int = 50, offset: int = 0,
) -> tuple[list[Case], int]:  # fmt: skip
    """A page of the cases that the asker may know of, the newest first, and how many there are."""
    wanted = {"process": process, "state": state, "subject": subject, "applicant": applicant, "unit": unit}
    with city.db.connection() as conn:
        given = {**wanted, **reach_of(conn, asker)}
        rows = conn.execute(LIST, {**given, "limit": limit, "offset": offset}).fetchall()
        counted = conn.execute(COUNT, given).fetchone()
    return [case_from(row) for row in rows], int(counted["n"]) if counted else 0


def _step(row: dict[str, Any]) -> Step:
    title = Text(zh=str(row["title_zh"]), en=str(row["title_en"]))
    return Step(row["at"], str(row["actor"]), row["what"], row["task"], title, dict(row["facts"]))
