"""When one may retire (渐进式延迟法定退休年龄), and with how many months paid.

Decision of the Standing Committee of the National People's Congress of 13 September 2024 with the State Council's measures,
in force since 1 January 2025: men by one month for every four of birth from 60 to 63, women of 55 by the same to 58, women of 50
by one month for every two to 55; the months needed rise from 2030 by six a year from 180 to 240; by choice up to three years
earlier (not before the former age) or later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Track:
    """One column of the tables: the former age, the first month of birth that is delayed, months of birth for one of delay, and at most."""

    age: int
    first_born: date
    every: int
    most: int


MEN = Track(60, date(1965, 1, 1), 4, 36)
WOMEN_55 = Track(55, date(1970, 1, 1), 4, 36)
WOMEN_50 = Track(50, date(1975, 1, 1), 2, 60)
LEAST_MONTHS, MOST_MONTHS, RISES_AFTER, RISES_BY = 180, 240, 2029, 6
# Years by which one may choose to go earlier or later.
CHOICE_MONTHS = 36


@dataclass(frozen=True)
class Retirement:
    """The months (their first days) in which one retires by law, at the earliest and at the latest, and the months to be paid by then."""

    legal: date
    earliest: date
    latest: date


def track_of(sex: str, post: str) -> Track:
    """Which table counts: women in production (生产操作) had 50, in management and technical posts (管理技术) 55."""
    if sex == "男":
        return MEN
    return WOMEN_50 if post == "生产操作" else WOMEN_55


def delay_of(track: Track, born: date) -> int:
    """By how many months the age is delayed for whoever was born then."""
    months = (born.year - track.first_born.year) * 12 + born.month - track.first_born.month
    return 0 if months < 0 else min(months // track.every + 1, track.most)


def retirement_of(born: date, sex: str, post: str) -> Retirement:
    """When one may retire."""
    track = track_of(sex, post)
    former, delay = month_after(born, track.age * 12), delay_of(track, born)
    legal = month_after(born, track.age * 12 + delay)
    earliest = max(former, month_after(legal, -CHOICE_MONTHS))
    return Retirement(legal, earliest, month_after(legal, CHOICE_MONTHS))


def months_needed(year: int) -> int:
    """How many months must have been paid by whoever retires in `year`."""
    return min(MOST_MONTHS, LEAST_MONTHS + RISES_BY * max(0, year - RISES_AFTER))


def month_after(day: date, months: int) -> date:
    """The first day of the month `months` after the month of `day`."""
    total = day.year * 12 + day.month - 1 + months
    return date(total // 12, total % 12 + 1, 1)
