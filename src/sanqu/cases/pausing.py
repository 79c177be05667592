"""Pauses a task with a reason: its deadline stops, for no longer than its process allows in all."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from sanqu.cases.acting import InHand, checked_reason, task_in_hand
from sanqu.cases.bpmn import MOMENT, SPAN
from sanqu.cases.deadlines import LAST_MOMENT, add_working_days, working_days_between
from sanqu.cases.hours import Hours, add_working_hours, hours_of, working_time_between
from sanqu.cases.notices import tell_of
from sanqu.cases.records import Task, person_label
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.errors import Conflict
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.ground.people.askers import SYSTEM, Asker

log = logging.getLogger(__name__)

PAUSE = "UPDATE case_task SET paused = %s, pause_until = %s WHERE id = %s"
RESUME = """
UPDATE case_task SET paused = NULL, pause_until = NULL, pause_used = pause_used + %(used)s, due = %(due)s,
    remind_at = %(remind_at)s, escalate_at = %(escalate_at)s WHERE id = %(id)s
"""
OVER = "SELECT id FROM case_task WHERE state = 'ready' AND paused IS NOT NULL AND pause_until <= %s ORDER BY id LIMIT 1000"
# The timers at the boundary of a task stop with it.
PAUSE_TIMERS = "UPDATE case_timer SET paused = %s WHERE id = ANY(%s)"
PAUSED_TIMERS = "SELECT id, fires_at, said FROM case_timer WHERE id = ANY(%s) AND paused IS NOT NULL"
RESUME_TIMER = "UPDATE case_timer SET paused = NULL, fires_at = %s WHERE id = %s"
MOMENTS = "SELECT due, remind_at, escalate_at FROM case_task WHERE id = %s"


def pause_task(city: City, asker: Asker, task_id: UUID, reason: str, *, at: datetime | None = None) -> datetime:
    """Stop the deadline of a task; returns when it goes on at the latest.

    Raises as `task_in_hand`, `BadInput` without a reason, `Conflict` for a task that is paused, has no deadline or no days left.
    """
    at = at or now()
    with task_in_hand(city, asker, task_id) as hand:
        task = hand.task
        reason = checked_reason(reason, f"case:{task.case}")
        left = task.pause_days - task.pause_used
        if task.paused or task.due is None or task.due < at or task.unit is None or left <= 0:
            raise Conflict(
                "cases.pause",
                Text(zh="这项任务不能暂停", en="The task cannot be paused"),
                Text(
                    zh=f"已暂停的、没有期限的、已逾期的不能暂停；它一共可以暂停 {task.pause_days} 个工作日，已用 {task.pause_used} 个",
                    en="Not what is paused, overdue or without a deadline; "
                    f"in all it may be for {task.pause_days} working days, of which {task.pause_used} are used",
                ),
                f"case:{task.case}",
                facts={"days": task.pause_days, "used": task.pause_used},
            )
        until = add_working_days(at, left).at
        hand.conn.execute(PAUSE, (at, until, task.id))
        hand.conn.execute(PAUSE_TIMERS, (at, sorted(hand.held.running.boundary_of(task.id))))
        hand.note("paused", at, unit=task.unit, until=until.isoformat())
        hand.say(at, person_label(asker), reason)
        title = task.title
        tell_of(hand.conn, hand.held.case, [hand.held.case.applicant], at, f"已暂停（{title.zh}）", f"Paused ({title.in_('en')})")
        return until


def resume_task(city: City, asker: Asker, task_id: UUID, *, at: datetime | None = None) -> None:
    """Let the deadline of a task go on, later by the working time of the pause; raises as `task_in_hand`, `Conflict` when it is not paused."""
    at = at or now()
    with task_in_hand(city, asker, task_id) as hand:
        if hand.task.paused is None:
            raise Conflict(
                "cases.not-paused",
                Text(zh="这项任务没有暂停", en="The task is not paused"),
                Text(zh="直接办理", en="Just do it"),
                f"case:{hand.task.case}",
            )
        _resume(hand, hand.task, at, hours_of(city.settings))


@job("cases.pauses", every="*/15 * * * *")
def end_pauses(city: City, at: datetime | None = None) -> int:
    """Let the tasks go on whose pause has lasted as long as it may; returns how many."""
    at, ended = at or now(), 0
    for row in city.db.all(OVER, (at,)):
        try:
            resume_task(city, SYSTEM, row["id"], at=at)
            ended += 1
        except Exception:
            log.exception("the pause of task %s could not end", row["id"])
    return ended


def _resume(hand: InHand, task: Task, at: datetime, plan: Hours) -> None:
    assert task.paused is not None
    end = min(at, task.pause_until) if task.pause_until else at
    row = hand.conn.execute(MOMENTS, (task.id,)).fetchone()
    assert row is not None
    moved = {name: _later(moment, task.paused, end, plan) for name, moment in row.items()}
    # A pause of less than a day counts as one, so that pauses cannot be strung together without end.
    used = max(1, working_days_between(task.paused, end))
    hand.conn.execute(RESUME, {"id": task.id, "used": used, **moved})
    for timer in hand.conn.execute(PAUSED_TIMERS, (sorted(hand.held.running.boundary_of(task.id)),)).fetchall():
        hand.conn.execute(RESUME_TIMER, (_fires_later(timer["fires_at"], timer["said"], task.paused, end, plan), timer["id"]))
    hand.note("resumed", at, unit=task.unit, used=used, due=moved["due"].isoformat() if moved["due"] else None)


def _fires_later(moment: datetime, said: str, begun: datetime, end: datetime, plan: Hours) -> datetime:
    """When a timer fires after a pause: one that waits until a date, then as before; one by the clock, later by the clock."""
    if MOMENT.fullmatch(said):
        return moment
    if SPAN.fullmatch(said) and said:
        return moment + (end - begun)
    return _later(moment, begun, end, plan) or moment


def _later(moment: datetime | None, begun: datetime, end: datetime, plan: Hours) -> datetime | None:
    """A moment, later by the working days of a pause; one that was counted in hours, by its working hours."""
    if moment is None or moment <= begun:
        return moment
    local = moment.astimezone(CITY_ZONE)
    if local.time() in (LAST_MOMENT, datetime.min.time()):
        moved = add_working_days(moment, working_days_between(begun, end)).at.astimezone(CITY_ZONE)
        return datetime.combine(moved.date(), local.time(), CITY_ZONE)
    return add_working_hours(moment, working_time_between(begun, end, plan) / timedelta(hours=1), plan).at
