"""What waits for whom (待办), and doing it: tasks are completed and cases withdrawn here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from sanqu.cases.acting import COMMENT, FROM_TASKS, InHand, row_of, task_in_hand
from sanqu.cases.asking import check_answered
from sanqu.cases.forms import check_result
from sanqu.cases.history import find_case, note_step
from sanqu.cases.notices import colleagues, tell_of
from sanqu.cases.records import TASK_COLUMNS, Case, Comment, Task, person_label, task_from
from sanqu.cases.rights import MAY_ACT, NEAR, reach_of
from sanqu.cases.steps import WITHDRAWN, cancel_tasks, drop_timers, finish, hold, keep, move_on, ready_tasks, within
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

# Those without a deadline come last; what is overdue is due first of all.
ORDER = "ORDER BY t.due NULLS LAST, t.made, t.id LIMIT %(limit)s OFFSET %(offset)s"
LISTS = {
    False: f"SELECT {TASK_COLUMNS} {FROM_TASKS} WHERE t.state = 'ready' AND {NEAR} {ORDER}",
    True: f"SELECT {TASK_COLUMNS} {FROM_TASKS} WHERE t.state = 'ready' AND {MAY_ACT} {ORDER}",
}
COUNTS = {
    False: f"SELECT count(*) AS n FROM case_task t WHERE t.state = 'ready' AND {NEAR}",
    True: f"SELECT count(*) AS n FROM case_task t WHERE t.state = 'ready' AND {MAY_ACT}",
}
ASKING = "SELECT claimed_by, unit, role FROM case_task WHERE id = %s"
CLAIM = "UPDATE case_task SET claimed_by = %s, claimed = %s WHERE id = %s"
COMMENTS = "SELECT at, actor, text FROM case_comment WHERE case_id = %s ORDER BY id"
CLAIMANTS = "SELECT DISTINCT claimed_by FROM case_task WHERE case_id = %s AND state = 'ready' AND claimed_by IS NOT NULL"
LONGEST_COMMENT = 4000
# What the case said before is kept, so that whoever returns to the step finds it.
DONE = """
UPDATE case_task SET state = 'done', paused = NULL, done_at = %(at)s, done_by = %(by)s, result = %(result)s, data_before = %(before)s
WHERE id = %(id)s
"""


def tasks_for(city: City, asker: Asker, *, below: bool = False, limit: int = 50, offset: int = 0) -> tuple[list[Task], int]:
    """A page of the open tasks of the asker and of the units at which they hold a role, the most urgent first; and how many.

    With `below`, whatever the asker may do: a steward in the units below too, an administrator everywhere.
    """
    with city.db.connection() as conn:
        given = reach_of(conn, asker)
        rows = conn.execute(LISTS[below], {**given, "limit": limit, "offset": offset}).fetchall()
        counted = conn.execute(COUNTS[below], given).fetchone()
    return [task_from(row) for row in rows], int(counted["n"]) if counted else 0


def find_task(city: City, asker: Asker, task_id: UUID) -> Task:
    """A task, whether or not the asker may do it; raises `NotFound` for one of a case that they may not know of."""
    with city.db.connection() as conn:
        return task_from(row_of(conn, asker, task_id))


def complete_task(
    city: City, asker: Asker, task_id: UUID, result: Mapping[str, Any], *, conn: Connection | None = None, at: datetime | None = None,
) -> Case:  # fmt: skip
    """Complete a task with what was filled into its form, and let the case move on; returns the case as it stands then.

    Of two who complete it at once, one does and the other gets `Conflict`. Raises `NotFound`, `Refused` for one whose task it
    is not, `BadInput` with what is wrong at each field; what a service task raises undoes the whole step.
    """
    at = at or now()
    with task_in_hand(city, asker, task_id, conn=conn) as hand:
        task, held = hand.task, hand.held
        values = check_result(task.form, result, held.case.data, f"case:{task.case}")
        check_answered(hand.conn, task.id, task.case)
        done = {"at": at, "by": asker.label, "result": Jsonb(values), "before": Jsonb(held.case.data), "id": task.id}
        hand.conn.execute(DONE, done)
        hand.note("done", at, unit=task.unit)
        if task.asked_for is not None:
            _tell_answered(hand, at)
            return held.case
        # What was not filled in this time is not what was said the last time round.
        said = {**{field.name: None for field in task.form}, **values}
        if held.running.is_looped(task.id):
            said |= {"done_by": person_label(asker), "done_unit": task.unit}
        else:
            held.learn(said)
        held.running.complete(task.id, said)
        return move_on(city, hand.conn, held, at)


def _tell_answered(hand: InHand, at: datetime) -> None:
    """Tell whoever must do the task that a unit has given its opinion on it."""
    row = hand.conn.execute(ASKING, (hand.task.asked_for,)).fetchone()
    if row is not None:
        people = [row["claimed_by"]] if row["claimed_by"] else colleagues(hand.conn, row["unit"], row["role"])
        tell_of(hand.conn, hand.held.case, people, at, f"已会签（{hand.task.unit}）", f"An opinion was given ({hand.task.unit})")


def claim_task(city: City, asker: Asker, task_id: UUID, *, take: bool = True, at: datetime | None = None) -> Task:
    """Take a task on (认领), or with `take=False` give it back; colleagues see who has it, and may still do it.

    Raises `NotFound`, `Refused` for one whose task it is not, `Conflict` when it is done or somebody else has it.
    """
    at = at or now()
    with task_in_hand(city, asker, task_id) as hand:
        me, task = person_label(asker), hand.task
        if task.claimed_by not in (None, me):
            raise Conflict(
                "cases.claimed",
                Text(zh="这项任务已由同事认领", en="A colleague has taken the task on"),
                Text(zh="请同事退回认领，或直接办理", en="Ask the colleague to give it back, or do it"),
                f"case:{task.case}",
            )
        hand.conn.execute(CLAIM, (me if take else None, at if take else None, task.id))
        hand.note("claimed", at, taken=take)
        return task_from(row_of(hand.conn, asker, task_id))


def comment_on(city: City, asker: Asker, number: str, text: str, *, at: datetime | None = None) -> None:
    """Say something in a case; the applicant is told, or, of what the applicant says, those who have taken its tasks on.

    Raises `NotFound`, `BadInput` for nothing or too much.
    """
    case, at, text = find_case(city, asker, number), at or now(), text.strip()
    if not text or len(text) > LONGEST_COMMENT or "\0" in text:
        raise BadInput(
            "cases.comment",
            Text(zh="留言是空的或太长", en="The comment is empty or too long"),
            Text(zh=f"至多 {LONGEST_COMMENT} 个字符", en=f"At most {LONGEST_COMMENT} characters"),
            f"case:{number}",
        )
    me = person_label(asker)
    with city.db.connection() as conn:
        conn.execute(COMMENT, (case.id, at, me, text))
        note_step(conn, case, at, asker.label, "commented")
        others = {case.applicant} if me != case.applicant else {row["claimed_by"] for row in conn.execute(CLAIMANTS, (case.id,))}
        tell_of(conn, case, sorted(others - {me}), at, "新留言", "A new comment")


def comments_in(city: City, case: Case) -> list[Comment]:
    """What was said in a case that the asker may know of, the first first."""
    return [Comment(row["at"], str(row["actor"]), str(row["text"])) for row in city.db.all(COMMENTS, (case.id,))]


def withdraw_case(
    city: City, asker: Asker, number: str, reason: str = "", *, conn: Connection | None = None, at: datetime | None = None
) -> Case:
    """End a case at the wish of its applicant; its open tasks are cancelled.

    Raises `NotFound`, `Refused` for others than the applicant and administrators, `Conflict` when it has ended.
    """
    at = at or now()
    found = find_case(city, asker, number)
    if found.applicant != person_label(asker) and not asker.is_admin:
        raise Refused(
            "cases.withdraw",
            Text(zh="只有申请人可以撤回", en="Only the applicant may withdraw a case"),
            Text(zh="请申请人撤回", en="Ask the applicant to do it"),
            f"case:{number}",
        )
    with within(city, conn) as held_by:
        held = hold(held_by, found.id)
        if held.case.state != "open":
            raise Conflict(
                "cases.ended",
                Text(zh="办件已经办结或撤回", en="The case has ended"),
                Text(zh="需要的话重新申请", en="Start a new one if needed"),
                f"case:{number}",
                facts={"state": held.case.state},
            )
        held.learn({"withdrawn_because": reason[:2000]})
        held.case = replace(held.case, state="withdrawn", outcome="withdrawn", closed=at)
        keep(held_by, held)
        cancel_tasks(held_by, held.case, sorted(ready_tasks(held_by, held.case)), at)
        drop_timers(held_by, held.case)
        finish(city, held_by, held.case, at, asker.label, WITHDRAWN)
        return held.case
