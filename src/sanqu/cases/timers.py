"""What cases wait for: timers that have run out, and messages that are sent to a case."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sanqu.cases.history import note_step
from sanqu.cases.records import Case
from sanqu.cases.steps import hold, move_on, within
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import Conflict, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.ground.people.askers import SYSTEM, Asker

log = logging.getLogger(__name__)

BATCH = 200
RIPE = "SELECT id, case_id FROM case_timer WHERE fires_at <= %s AND paused IS NULL AND id > %s ORDER BY id LIMIT %s"
ONE = "SELECT name FROM case_timer WHERE id = %s AND fires_at <= %s AND paused IS NULL"
CASE = "SELECT id FROM case_case WHERE number = %s"


@job("cases.timers", every="* * * * *")
def fire_timers(city: City, at: datetime | None = None) -> int:
    """Let the timers fire that have run out at `at`, each once; returns how many did."""
    at = at or now()
    fired, after = 0, UUID(int=0)
    while rows := city.db.all(RIPE, (at, after, BATCH)):
        for row in rows:
            after = row["id"]
            try:
                fired += _fire(city, row["id"], row["case_id"], at)
            except Exception:
                # One case that cannot move on must not keep all others; the next round tries again.
                log.exception("the timer %s could not fire", row["id"])
    return fired


def _fire(city: City, id_: UUID, case_id: UUID, at: datetime) -> bool:
    with city.db.connection() as conn:
        held = hold(conn, case_id)
        # Read once the case is held: somebody may have done the task meanwhile.
        timer = conn.execute(ONE, (id_, at)).fetchone()
        if timer is None or held.case.state != "open":
            return False
        held.running.fire(id_)
        note_step(conn, held.case, at, SYSTEM.label, "timer", facts={"event": timer["name"]})
        move_on(city, conn, held, at)
        return True


def send_message(
    city: City, sender: Asker, number: str, message: str, data: Mapping[str, Any] | None = None, *,
    conn: Connection | None = None, at: datetime | None = None,
) -> Case:  # fmt: skip
    """Send the message `message` to the case `number`, with what it brings to the case's data; for code of the rooms above.

    Raises `NotFound`, `Conflict` when the case does not wait for such a message.
    """
    at = at or now()
    with within(city, conn) as held_by:
        row = held_by.execute(CASE, (number,)).fetchone()
        if row is None:
            raise not_found(Text(zh="办件", en="case"), number)
        held = hold(held_by, row["id"])
        waiting = [one.id for one in held.running.events().values() if held.steps.messages.get(one.name) == message]
        if held.case.state != "open" or not waiting:
            raise Conflict(
                "cases.message",
                Text(zh=f"办件现在不等消息 {message}", en=f"The case does not wait for the message {message} now"),
                Text(zh="看办件现在到了哪一步", en="Look at where the case stands now"),
                f"case:{number}",
            )
        held.learn(dict(data or {}))
        for id_ in waiting:
            held.running.fire(id_)
        note_step(held_by, held.case, at, sender.label, "message", facts={"message": message})
        return move_on(city, held_by, held, at)
