"""The one place that asks what time it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

# China has one time zone and no summer time.
CITY_ZONE = timezone(timedelta(hours=8))


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)
