"""One task in hand: its case is held, it is read anew, and whoever acts may; what every act upon a task begins with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sanqu.cases.history import note_step
from sanqu.cases.records import TASK_COLUMNS, Task, What, task_from
from sanqu.cases.rights import VISIBLE, check_may_act, reach_of, stands_in_for
from sanqu.cases.steps import Held, hold_of_task, within
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

FROM_TASKS = "FROM case_task t JOIN case_case c ON c.id = t.case_id"
ONE = f"SELECT {TASK_COLUMNS}, c.id AS case_id {FROM_TASKS} WHERE t.id = %(task)s AND {VISIBLE}"
COMMENT = "INSERT INTO case_comment (case_id, at, actor, text) VALUES (%s, %s, %s, %s)"
LONGEST_REASON = 1000


@dataclass
class InHand:
    """A task that somebody acts upon, in the transaction in which its case is held."""

    conn: Connection
    held: Held
    task: Task
    asker: Asker

    def note(self, what: What, at: datetime, **facts: object) -> None:
        """Write what was done into the history and the ledger; for whom, where somebody stands in."""
        on_behalf = stands_in_for(self.conn, self.asker, self.task, at)
        said = {"task": self.task.name, **facts, **({"for": on_behalf} if on_behalf else {})}
        note_step(self.conn, self.held.case, at, self.asker.label, what, task=self.task.id, facts=said)

    def say(self, at: datetime, actor: str, text: str) -> None:
        """Leave what a person wrote with the case, not in the ledger."""
        self.conn.execute(COMMENT, (self.held.case.id, at, actor, text))


@contextmanager
def task_in_hand(city: City, asker: Asker, task_id: UUID, *, conn: Connection | None = None, superior: bool = False) -> Iterator[InHand]:
    """The task `task_id`, ready to be acted upon by `asker`; with `superior`, by whoever may know of it.

    Raises `NotFound`, `Refused` for one whose task it is not, `Conflict` when it is done or no longer needed.
    """
    with within(city, conn) as held_by:
        held = hold_of_task(held_by, task_id)
        # Read once the case is held: while it was waited for, somebody may have been faster.
        row = row_of(held_by, asker, task_id)
        assert held is not None
        task = task_from(row)
        if not superior:
            check_may_act(held_by, asker, task)
        if task.state != "ready":
            raise not_open(task)
        yield InHand(held_by, held, task, asker)


def row_of(conn: Connection, asker: Asker, task_id: UUID) -> dict[str, Any]:
    """The row of a task, with its `case_id`; raises `NotFound`, also for one that the asker may not know of."""
    row = conn.execute(ONE, {"task": task_id, **reach_of(conn, asker)}).fetchone()
    if row is None:
        raise not_found(Text(zh="任务", en="task"), str(task_id))
    return row


def not_open(task: Task) -> Conflict:
    """What is said to one who comes too late."""
    when = f"{task.done_at.astimezone(CITY_ZONE):%Y-%m-%d %H:%M}" if task.done_at else ""
    zh, en = ("已由他人办理", "was done already") if task.state == "done" else ("已不需办理", "need not be done any more")
    return Conflict(
        "cases.task-closed",
        Text(zh=f"这项任务{zh}（{when}）", en=f"The task {en} ({when})"),
        Text(zh="看办件现在到了哪一步", en="Look at where the case stands now"),
        f"case:{task.case}",
        facts={"case": task.case, "state": task.state},
    )


def checked_reason(text: str, thing: str) -> str:
    """A reason or demand without white space around it; raises `BadInput` for none or too much."""
    text = text.strip()
    if not text or len(text) > LONGEST_REASON or "\0" in text:
        raise BadInput(
            "cases.reason",
            Text(zh="理由是空的或太长", en="The reason is empty or too long"),
            Text(zh=f"写明理由，至多 {LONGEST_REASON} 个字符", en=f"Say why, in at most {LONGEST_REASON} characters"),
            thing,
        )
    return text
