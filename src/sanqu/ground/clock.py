"""The one place that asks what time it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, timezone

# China has one time zone and no summer time.
CITY_ZONE = timezone(timedelta(hours=8))


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


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
