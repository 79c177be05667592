"""Working hours (工作时间): the spans of a working day in which hours count, in summer (May to September) and otherwise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sanqu.cases.deadlines import DAY, Deadline, Due, add_working_days, calendar_knows, is_working_day
from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.settings import Settings

SPAN = re.compile(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})")
SUMMER = range(5, 10)
# A task whose deadline is in hours is reminded of when a quarter is left, and passed up an hour after it.
REMIND_AT = 0.75
# How many of each make a working hour.
IN_AN_HOUR = {"wh": 1, "wm": 60}

Spans = tuple[tuple[time, time], ...]


@dataclass(frozen=True)
class Hours:
    """The working hours of a city."""

    winter: Spans
    summer: Spans

    def of(self, day: date) -> Spans:
        """The spans of `day`, if it is worked."""
        return self.summer if day.month in SUMMER else self.winter


def hours_of(settings: Settings) -> Hours:
    """The working hours that the settings say."""
    return Hours(spans_of(settings.work_hours), spans_of(settings.work_hours_summer or settings.work_hours))


def spans_of(text: str) -> Spans:
    """`08:30-12:00,13:30-17:30` as spans; raises `ValueError` for what is none or out of order."""
    spans: list[tuple[time, time]] = []
    for part in text.replace(" ", "").split(","):
        found = SPAN.fullmatch(part)
        if found is None:
            raise ValueError(f"{part} is no span of hours such as 08:30-12:00")
        begins, ends = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
        if begins >= ends or (spans and begins < spans[-1][1]):
            raise ValueError(f"{part} is out of order")
        spans.append((begins, ends))
    return tuple(spans)


def add_working_hours(start: datetime, hours: float, plan: Hours) -> Due:
    """The moment when `hours` working hours have passed since `start`; from outside of them, they begin with the next.

    Days and adjusted working days are those of the Chinese calendar; `sure` is false where a year's holidays are not known.
    """
    left = timedelta(hours=hours)
    day = start.astimezone(CITY_ZONE).date()
    sure = calendar_knows(day)
    while True:
        for begins, ends in plan.of(day) if is_working_day(day) else ():
            first = max(datetime.combine(day, begins, CITY_ZONE), start)
            last = datetime.combine(day, ends, CITY_ZONE)
            if first < last:
                if left <= last - first:
                    return Due(first + left, sure)
                left -= last - first
        day += DAY
        sure = sure and calendar_knows(day)


def due_of(start: datetime, n: int, unit: str, plan: Hours) -> Due:
    """`n` working days (`wd`), hours (`wh`) or minutes (`wm`) after `start`."""
    return add_working_days(start, n) if unit == "wd" else add_working_hours(start, n / IN_AN_HOUR[unit], plan)


def deadline_in_hours(made: datetime, n: float, plan: Hours) -> Deadline:
    """The deadline of a task for which there are `n` working hours, or a part of one."""
    due = add_working_hours(made, n, plan)
    remind = add_working_hours(made, n * REMIND_AT, plan).at
    return Deadline(due.at, due.sure, remind if made < remind < due.at else None, add_working_hours(due.at, 1, plan).at)


def working_time_between(start: datetime, end: datetime, plan: Hours) -> timedelta:
    """How much working time lies between two moments; none when `end` is not after `start`."""
    total, day = timedelta(), start.astimezone(CITY_ZONE).date()
    while day <= end.astimezone(CITY_ZONE).date():
        for begins, ends in plan.of(day) if is_working_day(day) else ():
            first = max(datetime.combine(day, begins, CITY_ZONE), start)
            last = min(datetime.combine(day, ends, CITY_ZONE), end)
            total += max(last - first, timedelta())
        day += DAY
    return total
