"""The one place that asks what time it is, and reads how long something takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, timezone

# China has one time zone and no summer time.
CITY_ZONE = timezone(timedelta(hours=8))
DURATION = re.compile(r"P(?!T?$)(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def seconds_in(said: str) -> int | None:
    """The seconds of an ISO 8601 duration of days and less; None for what is none.

    >>> seconds_in("P1DT2H"), seconds_in("PT5M"), seconds_in("PT"), seconds_in("daily")
    (93600, 300, None, None)
    """
    found = DURATION.fullmatch(said)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


_moment: ContextVar[datetime | None] = ContextVar("moment", default=None)


@contextmanager
def at_moment(at: datetime) -> Iterator[None]:
    """Let `moment` be `at` within: for days that are played through, and for what another city dated."""
    token = _moment.set(at)
    try:
        yield
    finally:
        _moment.reset(token)


def moment() -> datetime:
    """When the step that is being taken is dated: now, but within `at_moment`."""
    return _moment.get() or now()
