"""Asks other units for their opinion on a task (会签) before it is done, where the process did not foresee it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from sanqu.cases.acting import checked_reason, task_in_hand
from sanqu.cases.forms import Field, Option
from sanqu.cases.notices import colleagues, tell_of
from sanqu.cases.records import person_label
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import Conflict, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

MOST_UNITS = 20
FORM = (
    Field(
        name="opinion", type="choice", required=True, title=Text(zh="会签意见", en="Opinion"),
        options=(
            Option(value="agree", title=Text(zh="同意", en="agree")), Option(value="disagree", title=Text(zh="不同意", en="disagree")),
        ),
    ),
    Field(name="opinion_note", type="long", title=Text(zh="说明", en="Note")),
)  # fmt: skip
KNOWN = "SELECT code FROM org_unit WHERE code = ANY(%s) AND state = 'active'"
ASKED = "SELECT unit FROM case_task WHERE asked_for = %s AND state = 'ready' ORDER BY unit"
ADD = """
INSERT INTO case_task (id, case_id, name, title_zh, title_en, unit, form, state, due, due_sure, remind_at, made, asked_for)
SELECT %(id)s, case_id, name, '会签：' || title_zh, 'Opinion on: ' || coalesce(nullif(title_en, ''), title_zh), %(unit)s, %(form)s,
       'ready', due, due_sure, remind_at, %(at)s, id
FROM case_task WHERE id = %(task)s
"""


def ask_units(city: City, asker: Asker, task_id: UUID, units: Sequence[str], question: str, *, at: datetime | None = None) -> list[UUID]:
    """Ask `units` for their opinions on a task; it cannot be done until they have answered. Returns the numbers of their tasks.

    Raises as `task_in_hand`, `BadInput` without a question, `NotFound` for a unit that is not there, `Conflict` for the task's own
    unit, one that is asked already, none or too many, and for a task that is an opinion itself.
    """
    at = at or now()
    with task_in_hand(city, asker, task_id) as hand:
        task, wanted = hand.task, list(dict.fromkeys(units))
        question = checked_reason(question, f"case:{task.case}")
        known = {str(row["code"]) for row in hand.conn.execute(KNOWN, (wanted,))}
        if missing := [unit for unit in wanted if unit not in known]:
            raise not_found(Text(zh="机构", en="unit"), missing[0][:80])
        asked = open_questions(hand.conn, task.id)
        if task.unit is None or task.asked_for or not 0 < len(wanted) <= MOST_UNITS or {task.unit, *asked} & set(wanted):
            raise Conflict(
                "cases.ask",
                Text(zh="这些机构不能会签这项任务", en="These units cannot be asked about this task"),
                Text(zh=f"选 1 至 {MOST_UNITS} 个别的、还没有问到的机构", en=f"Choose 1 to {MOST_UNITS} other units that are not asked yet"),
                f"case:{task.case}",
            )
        numbers = {unit: uuid4() for unit in wanted}
        for unit, number in numbers.items():
            form = Jsonb([field.model_dump() for field in FORM])
            hand.conn.execute(ADD, {"id": number, "unit": unit, "form": form, "at": at, "task": task.id})
            tell_of(hand.conn, hand.held.case, colleagues(hand.conn, unit), at, f"请会签（{task.title.zh}）", f"Your opinion, please ({task.title.in_('en')})")
        hand.note("asked", at, unit=task.unit, units=wanted)
        hand.say(at, person_label(asker), question)
        return list(numbers.values())


def open_questions(conn: Connection, task: UUID) -> list[str]:
    """The units that were asked about a task and have not answered yet."""
    return [str(row["unit"]) for row in conn.execute(ASKED, (task,))]


def check_answered(conn: Connection, task_id: UUID, case: str) -> None:
    """Raise `Conflict` naming the units that have not answered yet."""
    if waiting := open_questions(conn, task_id):
        raise Conflict(
            "cases.unanswered",
            Text(zh=f"还在等会签：{'、'.join(waiting)}", en=f"Opinions are still awaited: {', '.join(waiting)}"),
            Text(zh="请它们答复", en="Ask them to answer"),
            f"case:{case}",
            facts={"units": waiting},
        )
