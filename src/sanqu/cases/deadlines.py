"""Deadlines (时限) in working days of the Chinese calendar; reminders, lateness and passing up, each once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import chinese_calendar

from sanqu.cases.history import note_step
from sanqu.cases.notices import colleagues, tell_of
from sanqu.cases.records import CASE_COLUMNS, Case, What, case_from
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.database import Connection
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.ground.people.askers import SYSTEM

log = logging.getLogger(__name__)

DAY = timedelta(days=1)
LAST_MOMENT = time(23, 59, 59)
BATCH = 500
# The days of some years; the calendar itself walks through all it knows each time it is asked.
MOST_DAYS = 4096

RIPE = """
SELECT t.id, t.case_id FROM case_task t
WHERE t.state = 'ready' AND t.paused IS NULL AND t.id > %(after)s
  AND ((t.remind_at <= %(at)s AND t.reminded IS NULL AND t.due >= %(at)s)
       OR (t.due < %(at)s AND t.overdue IS NULL)
       OR (t.escalate_at <= %(at)s AND t.escalated IS NULL))
ORDER BY t.id LIMIT %(limit)s
"""
LOCK_CASE = f"SELECT {CASE_COLUMNS} FROM case_case c WHERE c.id = %s FOR UPDATE"
ONE = """
SELECT t.state, t.name, t.unit, t.role, t.assignee, t.claimed_by, t.title_zh, t.title_en, t.due, t.remind_at, t.reminded, t.overdue, t.escalate_at, t.escalated, t.paused, u.parent
FROM case_task t LEFT JOIN org_unit u ON u.code = t.unit WHERE t.id = %s
"""
MARK: dict[What, str] = {
    "reminded": "UPDATE case_task SET reminded = %(at)s WHERE id = %(id)s",
    "overdue": "UPDATE case_task SET overdue = %(at)s WHERE id = %(id)s",
    "escalated": "UPDATE case_task SET escalated = %(at)s, escalated_to = %(parent)s WHERE id = %(id)s",
}


@dataclass(frozen=True)
class Due:
    """A moment counted in working days; `sure` is false where a year's holidays were not announced yet."""

    at: datetime
    sure: bool


@dataclass(frozen=True)
class Deadline:
    """When a task is due, when to remind of it, and when to pass it up."""

    due: datetime
    sure: bool
    remind_at: datetime | None
    escalate_at: datetime


@lru_cache(MOST_DAYS)
def calendar_knows(day: date) -> bool:
    """Whether the holidays of the year of `day` are known: the State Council announces them each November."""
    try:
        chinese_calendar.is_workday(day)
    except NotImplementedError:
        return False
    return True


@lru_cache(MOST_DAYS)
def is_working_day(day: date) -> bool:
    """Whether `day` is worked: holidays and adjusted working days of China; Monday to Friday in years not known."""
    return bool(chinese_calendar.is_workday(day)) if calendar_knows(day) else day.weekday() < 5


def add_working_days(start: datetime, n: int) -> Due:
    """The last moment of the `n`-th working day after the day of `start` in China.

    The day of the start does not count, and the last one counts to its end (Civil Code, articles 201 and 203). With 0:
    the end of that day, or of the next working day. Raises `ValueError` below 0.
    """
    if n < 0:
        raise ValueError("working days are counted forward")
    day = _day(start)
    sure = calendar_knows(day)
    left = n
    while left or not is_working_day(day):
        day += DAY
        sure = sure and calendar_knows(day)
        left -= is_working_day(day) if left else 0
    return Due(_end_of(day), sure)


def working_days_between(start: datetime, end: datetime) -> int:
    """How many working days lie after the day of `start` up to and with the day of `end`; negative when `end` is before."""
    first, last = _day(start), _day(end)
    if last < first:
        return -working_days_between(end, start)
    return sum(is_working_day(first + DAY * i) for i in range(1, (last - first).days + 1))


def deadline_of(made: datetime, days: int) -> Deadline:
    """The deadline of a task made at `made` for which there are `days` working days.

    One is reminded on the working day before (or, if that is the first, on the day itself), and it goes to the unit above
    when a working day has passed since.
    """
    due = add_working_days(made, days)
    eve = _day(due.at) - DAY
    while not is_working_day(eve):
        eve -= DAY
    remind_at = next((at for at in (_start_of(eve), _start_of(_day(due.at))) if at > made), None)
    return Deadline(due.at, due.sure, remind_at, add_working_days(due.at, 1).at)


def _day(at: datetime) -> date:
    return at.astimezone(CITY_ZONE).date()


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), CITY_ZONE)


def _end_of(day: date) -> datetime:
    return datetime.combine(day, LAST_MOMENT, CITY_ZONE)


@job("cases.deadlines", every="*/15 * * * *")
def check_deadlines(city: City, at: datetime | None = None) -> dict[What, int]:
    """Remind of tasks that are due, mark those that are late, pass them up; each once. Returns how many of each at `at`."""
    at = at or now()
    counts: dict[What, int] = dict.fromkeys(MARK, 0)
    after = UUID(int=0)
    while rows := city.db.all(RIPE, {"after": after, "at": at, "limit": BATCH}):
        for row in rows:
            after = row["id"]
            for what in _mark_safely(city, row, at):
                counts[what] += 1
    return counts


def _mark_safely(city: City, row: dict[str, Any], at: datetime) -> list[What]:
    try:
        with city.db.connection() as conn:
            return _mark(conn, row["id"], row["case_id"], at)
    except Exception:
        # One task must not keep the reminders of all others back; the next round tries again.
        log.exception("the deadline of task %s could not be marked", row["id"])
        return []


def _mark(conn: Connection, id_: UUID, case_id: UUID, at: datetime) -> list[What]:
    locked = conn.execute(LOCK_CASE, (case_id,)).fetchone()
    task = conn.execute(ONE, (id_,)).fetchone()
    if locked is None or task is None or task["state"] != "ready":
        return []
    marks = marks_at(task, at)
    for what in marks:
        conn.execute(MARK[what], {"at": at, "id": id_, "parent": task["parent"]})
        _note(conn, case_from(locked), id_, task, at, what)
    return marks


def marks_at(task: dict[str, Any], at: datetime) -> list[What]:
    """What is to be marked on a task's row at `at`."""
    marks: list[What] = []
    if task.get("paused") is not None:
        return marks
    late = task["due"] < at
    if not late and task["remind_at"] is not None and task["remind_at"] <= at and task["reminded"] is None:
        marks.append("reminded")
    if late and task["overdue"] is None:
        marks.append("overdue")
    if task["escalate_at"] is not None and task["escalate_at"] <= at and task["escalated"] is None:
        marks.append("escalated")
    return marks


def _note(conn: Connection, case: Case, id_: UUID, task: dict[str, Any], at: datetime, what: What) -> None:
    facts: dict[str, object] = {"task": task["name"], "unit": task["unit"], "due": task["due"].isoformat()}
    said = Text(zh=str(task["title_zh"]), en=str(task["title_en"]))
    doing = [one for one in (task["assignee"], task["claimed_by"]) if one] or colleagues(conn, task["unit"], task["role"])
    match what:
        case "reminded":
            tell_of(conn, case, doing, at, f"快到期了（{said.zh}）", f"Due soon ({said.in_('en')})")
        case "overdue":
            tell_of(conn, case, doing, at, f"已逾期（{said.zh}）", f"Overdue ({said.in_('en')})")
        case _:
            facts["to"] = task["parent"]
            above = colleagues(conn, task["parent"], task["role"])
            tell_of(
                conn,
                case,
                [*above, case.applicant],
                at,
                f"逾期，已上报上级（{said.zh}）",
                f"Overdue and passed up ({said.in_('en')})",
            )
    note_step(conn, case, at, SYSTEM.label, what, task=id_, facts=facts)
