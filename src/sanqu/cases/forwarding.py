"""Hands a task on: to another unit (转办), or up to the unit above (上报)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sanqu.cases.acting import FROM_TASKS, InHand, checked_reason, row_of, task_in_hand
from sanqu.cases.hooks import run_forwarding
from sanqu.cases.notices import colleagues, tell_of
from sanqu.cases.proposals import learn_from
from sanqu.cases.records import TASK_COLUMNS, Task, person_label, task_from
from sanqu.cases.steps import keep
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import Conflict, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

IS_UNIT = "SELECT 1 FROM org_unit WHERE code = %s AND state = 'active'"
FORWARD = """
UPDATE case_task SET unit = %s, forwarded = %s, claimed_by = NULL, claimed = NULL, escalated = NULL, escalated_to = NULL WHERE id = %s
"""
# Whoever hands a task on may not know of it any more.
READ = f"SELECT {TASK_COLUMNS} {FROM_TASKS} WHERE t.id = %s"
PARENT = "SELECT parent FROM org_unit WHERE code = %s"
ESCALATE = "UPDATE case_task SET escalated = %s, escalated_to = %s WHERE id = %s"


def forward_task(city: City, asker: Asker, task_id: UUID, unit: str, reason: str, *, at: datetime | None = None) -> Task:
    """Let another unit do a task; its deadline stays. Returns the task. Where a table had dispatched the case, it is a proposal for it.

    Raises as `task_in_hand`, `BadInput` without a reason, `NotFound` for a unit that is not there, `Conflict` for the unit that
    has it and for what the applicant must do.
    """
    at = at or now()
    with task_in_hand(city, asker, task_id) as hand:
        task = hand.task
        reason = checked_reason(reason, f"case:{task.case}")
        if hand.conn.execute(IS_UNIT, (unit,)).fetchone() is None:
            raise not_found(Text(zh="机构", en="unit"), unit[:80])
        _check_not_own(task, unit)
        hand.conn.execute(FORWARD, (unit, at, task.id))
        hand.note("forwarded", at, unit=task.unit, to=unit)
        learn_from(hand.conn, hand.held.case, task.name, unit, reason, asker.label, at)
        if said := run_forwarding(city, hand.conn, hand.held.case, task, unit):
            hand.held.learn(said)
            keep(hand.conn, hand.held)
        hand.say(at, person_label(asker), reason)
        _tell(hand, unit, at, "转来", "Forwarded to you")
        found = hand.conn.execute(READ, (task.id,)).fetchone()
        assert found is not None
        return task_from(found)


def escalate_task(city: City, asker: Asker, task_id: UUID, reason: str, *, at: datetime | None = None) -> Task:
    """Pass a task up to the unit above, which may do it too; raises as `forward_task`, `Conflict` where nobody is above."""
    at = at or now()
    with task_in_hand(city, asker, task_id) as hand:
        task = hand.task
        reason = checked_reason(reason, f"case:{task.case}")
        row = hand.conn.execute(PARENT, (task.escalated_to or task.unit,)).fetchone()
        if row is None or row["parent"] is None:
            raise Conflict(
                "cases.nobody-above",
                Text(zh="没有上级可以上报", en="There is nobody above to pass it up to"),
                Text(zh="办理或转办", en="Do it, or forward it"),
                f"case:{task.case}",
            )
        above = str(row["parent"])
        hand.conn.execute(ESCALATE, (at, above, task.id))
        hand.note("escalated", at, unit=task.unit, to=above)
        hand.say(at, person_label(asker), reason)
        _tell(hand, above, at, "上报", "Passed up to you")
        return task_from(row_of(hand.conn, asker, task.id))


def _check_not_own(task: Task, unit: str) -> None:
    if task.unit is None or task.unit == unit:
        raise Conflict(
            "cases.forward",
            Text(zh="这项任务不能转给它", en="The task cannot be forwarded there"),
            Text(zh="申请人本人的任务不能转办；转给另一个机构", en="Choose another unit; what the applicant must do is the applicant's"),
            f"case:{task.case}",
        )


def _tell(hand: InHand, unit: str, at: datetime, zh: str, en: str) -> None:
    title = hand.task.title
    people = colleagues(hand.conn, unit, hand.task.role)
    tell_of(hand.conn, hand.held.case, people, at, f"{zh}（{title.zh}）", f"{en} ({title.in_('en')})")
