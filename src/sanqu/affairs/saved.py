"""What was saved (减时间、减材料、少跑动), counted from what happened, with the arithmetic; and how it was rated (好差评)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sanqu.affairs.records import COLUMNS, Filing, filing_from
from sanqu.cases.hours import Hours, hours_of, working_time_between
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE

# What another city sent here is counted there, where its applicant is.
DONE = f"""
SELECT {COLUMNS} FROM affairs_filing f
WHERE f.state = 'done' AND f.origin = '' AND (%(since)s::timestamptz IS NULL OR f.done >= %(since)s) AND (%(until)s::timestamptz IS NULL OR f.done < %(until)s)
ORDER BY f.done LIMIT 100000
"""
RATINGS = """
SELECT f.{by} AS key, count(f.rating) AS rated, avg(f.rating) AS mean, count(*) FILTER (WHERE f.rating >= 3) AS good,
       count(*) FILTER (WHERE f.rating <= 2) AS bad, count(*) FILTER (WHERE f.rating <= 2 AND f.followed IS NOT NULL) AS followed,
       count(*) FILTER (WHERE f.rating <= 2 AND f.rerating >= 3) AS content, count(*) AS filings
FROM affairs_filing f
WHERE f.state = 'done' AND f.{by} IS NOT NULL AND (%(since)s::timestamptz IS NULL OR f.done >= %(since)s) AND (%(until)s::timestamptz IS NULL OR f.done < %(until)s)
GROUP BY 1 ORDER BY 1
"""
BY_THING, BY_UNIT = RATINGS.format(by="thing"), RATINGS.format(by="rated_unit")


@dataclass(frozen=True)
class Saved:
    """What filings of one thing (or of all, `thing` empty) took and saved; days are working days.

    Per filing: days saved = the longest legal limit of its matters - working time from filing to certificate / hours of a working
    day; papers saved = those the city held or made itself; visits saved = those it took before - 1 at the window, 0 online.
    """

    thing: str
    filings: int
    legal_days: float
    taken_days: float
    in_time: int
    papers: int
    papers_held: int
    fields: int
    fields_held: int
    visits_before: int
    visits_now: int

    @property
    def days_saved(self) -> float:
        """Legal limits less what it took."""
        return self.legal_days - self.taken_days

    @property
    def visits_saved(self) -> int:
        """Visits before less those made."""
        return self.visits_before - self.visits_now


@dataclass(frozen=True)
class Rated:
    """How the filings of a thing or a unit were rated; `content`: a bad rating that was good after it was followed up."""

    key: str
    filings: int
    rated: int
    mean: float | None
    good: int
    bad: int
    followed: int
    content: int

    @property
    def good_share(self) -> float | None:
        """The share of ratings from 3 up (好评率)."""
        return self.good / self.rated if self.rated else None


def saved(city: City, since: datetime | None = None, until: datetime | None = None) -> tuple[Saved, list[Saved]]:
    """What the filings that were done in a time saved: all of them, and by thing."""
    done = [filing_from(row) for row in city.db.all(DONE, {"since": since, "until": until})]
    plan = hours_of(city.settings)
    things = sorted({one.thing for one in done})
    return _add_up("", done, plan), [_add_up(thing, [one for one in done if one.thing == thing], plan) for thing in things]


def _add_up(thing: str, done: Iterable[Filing], plan: Hours) -> Saved:
    rows = list(done)
    return Saved(
        thing, len(rows), sum(one.legal_days for one in rows), sum(days_taken(one, plan) for one in rows),
        sum(one.done is not None and one.done <= one.due for one in rows), sum(one.papers_asked for one in rows), sum(one.papers_held for one in rows),
        sum(len(one.form) for one in rows), sum(one.fields_held for one in rows), sum(one.visits_before for one in rows),
        sum(one.channel == "window" for one in rows),
    )  # fmt: skip


def days_taken(one: Filing, plan: Hours) -> float:
    """The working time from filing to the end, in days of the working hours of that season."""
    if one.done is None:
        return 0.0
    return working_time_between(one.submitted, one.done, plan) / day_of(plan, one.submitted)


def day_of(plan: Hours, at: datetime) -> timedelta:
    """How long a working day is."""
    day = at.astimezone(CITY_ZONE).date()
    spans = plan.of(day)
    return sum((datetime.combine(day, ends) - datetime.combine(day, begins) for begins, ends in spans), timedelta())


def ratings(city: City, by: str = "thing", since: datetime | None = None, until: datetime | None = None) -> list[Rated]:
    """How filings were rated, by `thing` or by `unit`."""
    rows = city.db.all(BY_UNIT if by == "unit" else BY_THING, {"since": since, "until": until})
    return [_rated(row) for row in rows]


def _rated(row: dict[str, Any]) -> Rated:
    mean = float(row["mean"]) if row["mean"] is not None else None
    return Rated(
        str(row["key"]), int(row["filings"]), int(row["rated"]), mean, int(row["good"]), int(row["bad"]), int(row["followed"]), int(row["content"])
    )
