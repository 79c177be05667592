"""Supervises a task (督办): a superior demands something of whoever must act, and is answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sanqu.cases.acting import checked_reason, task_in_hand
from sanqu.cases.deadlines import add_working_days
from sanqu.cases.history import note_step
from sanqu.cases.notices import colleagues, tell_of
from sanqu.cases.records import TASK_COLUMNS, Case, Task, person_label, task_from
from sanqu.cases.rights import check_may_act
from sanqu.cases.steps import hold
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import path_of

MOST_DAYS = 60
ADD = "INSERT INTO case_supervision (case_id, task, at, actor, demand, due) VALUES (%s, %s, %s, %s, %s, %s) RETURNING id"
MARK = "UPDATE case_task SET supervised = %s WHERE id = %s"
COLUMNS = "s.id, s.task, s.at, s.actor, s.demand, s.due, s.answer, s.answered, s.answered_by"
LIST = f"SELECT {COLUMNS} FROM case_supervision s WHERE s.case_id = %s ORDER BY s.id"
ONE = f"SELECT {COLUMNS}, s.case_id FROM case_supervision s WHERE s.id = %s FOR UPDATE"
TASK = f"SELECT {TASK_COLUMNS} FROM case_task t JOIN case_case c ON c.id = t.case_id WHERE t.id = %s"
ANSWER = "UPDATE case_supervision SET answer = %s, answered = %s, answered_by = %s WHERE id = %s"


@dataclass(frozen=True)
class Supervision:
    """One demand, until when it wants an answer, and the answer."""

    id: int
    task: UUID
    at: datetime
    actor: str
    demand: str
    due: datetime
    answer: str
    answered: datetime | None
    answered_by: str | None


def may_supervise(conn: Connection, asker: Asker, task: Task) -> bool:
    """Whether the asker is a superior of whoever must act: steward of a unit above, or administrator."""
    path = path_of(conn, task.unit) if task.unit else None
    if path is None:
        return False
    return asker.is_admin or any(r.role == "steward" and path.startswith(r.path) and path != r.path for r in asker.held)


def supervise_task(
    city: City, asker: Asker, task_id: UUID, demand: str, *, days: int = 3, at: datetime | None = None
) -> Supervision:  # fmt: skip
    """Demand something of whoever must do a task, to be answered within `days` working days.

    Raises `NotFound`, `Refused` for others than superiors, `BadInput` for no demand or days out of 1 to 60, `Conflict` for a task
    that is done.
    """
    at = at or now()
    with task_in_hand(city, asker, task_id, superior=True) as hand:
        task, case = hand.task, hand.held.case
        if not may_supervise(hand.conn, asker, task):
            raise Refused(
                "cases.superior",
                Text(zh="只有上级可以督办", en="Only a superior may supervise"),
                Text(zh="请上级机构的数据管理员督办", en="Ask a steward of a unit above"),
                f"case:{task.case}",
            )
        demand = checked_reason(demand, f"case:{task.case}")
        if not 1 <= days <= MOST_DAYS:
            raise BadInput(
                "cases.days", Text(zh="督办期限不合规", en="The days do not fit"),
                Text(zh=f"1 至 {MOST_DAYS} 个工作日", en=f"1 to {MOST_DAYS} working days"), f"case:{task.case}",
            )  # fmt: skip
        me, due = person_label(asker), add_working_days(at, days).at
        row = hand.conn.execute(ADD, (case.id, task.id, at, me, demand, due)).fetchone()
        assert row is not None
        hand.conn.execute(MARK, (at, task.id))
        hand.note("supervised", at, unit=task.unit, due=due.isoformat())
        people = [one for one in (task.assignee, task.claimed_by) if one] or colleagues(hand.conn, task.unit, task.role)
        tell_of(hand.conn, case, people, at, f"督办（{task.title.zh}）", f"Supervised ({task.title.in_('en')})")
        return Supervision(int(row["id"]), task.id, at, me, demand, due, "", None, None)


def answer_supervision(city: City, asker: Asker, id_: int, answer: str, *, at: datetime | None = None) -> None:
    """Answer a demand; raises `NotFound`, `Refused` unless the task is the asker's, `Conflict` when it was answered."""
    at = at or now()
    with city.db.connection() as conn:
        row = conn.execute(ONE, (id_,)).fetchone()
        task = conn.execute(TASK, (row["task"],)).fetchone() if row else None
        if row is None or task is None:
            raise not_found(Text(zh="督办", en="supervision"), str(id_))
        found = task_from(task)
        check_may_act(conn, asker, found)
        answer = checked_reason(answer, f"case:{found.case}")
        if row["answered"] is not None:
            raise Conflict(
                "cases.answered",
                Text(zh="这次督办已经答复", en="This demand was answered already"),
                Text(zh="需要的话留言", en="Leave a comment if needed"),
                f"case:{found.case}",
            )
        case = hold(conn, row["case_id"]).case
        conn.execute(ANSWER, (answer, at, person_label(asker), id_))
        note_step(conn, case, at, asker.label, "answered", task=found.id, facts={"task": found.name, "unit": found.unit})
        tell_of(conn, case, [str(row["actor"])], at, f"督办已答复（{found.title.zh}）", f"Answered ({found.title.in_('en')})")


def supervisions_of(city: City, case: Case) -> list[Supervision]:
    """What was demanded in a case that the asker may know of, the first first."""
    return [Supervision(**{name: row[name] for name in Supervision.__dataclass_fields__}) for row in city.db.all(LIST, (case.id,))]
