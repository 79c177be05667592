"""Returns a task to the step before it (退回), with a reason; what came after is as if it had not been."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sanqu.cases.acting import checked_reason, task_in_hand
from sanqu.cases.notices import tell_of
from sanqu.cases.records import Case, person_label
from sanqu.cases.steps import move_on
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import Conflict
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

BEFORE = "SELECT unit, done_by, result, data_before FROM case_task WHERE id = %s"
AGAIN = "UPDATE case_task SET returned = %s, unit = coalesce(%s, unit) WHERE id = %s"


def return_task(city: City, asker: Asker, task_id: UUID, reason: str, *, at: datetime | None = None) -> Case:
    """Let the step before `task_id` be done again by the unit that did it; returns the case as it stands then.

    The case's data are what they were when that step was done. Raises as `task_in_hand`, `BadInput` without a reason, `Conflict`
    naming the element in the way: the first step, where branches join, a branch beside one on which somebody has done something,
    an instance of a multi-instance, and what the city did by itself since (a service task, an event) cannot be undone.
    """
    at = at or now()
    with task_in_hand(city, asker, task_id) as hand:
        reason = checked_reason(reason, f"case:{hand.task.case}")
        steps = hand.held.steps
        undone = {*steps.scripts, *steps.decisions}
        before = hand.held.running.step_before(task_id, undone) if hand.task.asked_for is None else hand.task.name
        if isinstance(before, str):
            raise _no_way_back(hand.task.case, before)
        row = hand.conn.execute(BEFORE, (before,)).fetchone()
        hand.note("returned", at, unit=hand.task.unit)
        hand.say(at, person_label(asker), reason)
        if row is not None and row["data_before"] is not None:
            # What was filled in then is offered again.
            hand.held.restore({**row["data_before"], **(row["result"] or {})})
        again = hand.held.running.return_to(before)
        case = move_on(city, hand.conn, hand.held, at)
        if row is not None:
            hand.conn.execute(AGAIN, (at, row["unit"], again))
            doer = str(row["done_by"]).split("/", 1)[0]
            tell_of(hand.conn, case, [doer], at, f"已退回（{hand.task.title.zh}）", f"Returned ({hand.task.title.in_('en')})")
        return case


def _no_way_back(case: str, element: str) -> Conflict:
    return Conflict(
        "cases.no-way-back",
        Text(zh=f"不能退回：中间有 {element}", en=f"It cannot be returned: {element} is in the way")
        if element
        else Text(zh="不能退回：这是第一步", en="It cannot be returned: this is the first step"),
        Text(zh="转办，或在表单里写明", en="Forward it, or say so in the form"),
        f"case:{case}",
        facts={"element": element},
    )
