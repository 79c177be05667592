"""One run of a line at a time: a lock that PostgreSQL gives back when the process that holds it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.errors import Conflict
from sanqu.ground.i18n import Text
from sanqu.lines.records import Line

# The first of the two numbers of the lock: that it is a line's.
LOCK_CLASS = 7_530_010
TAKE = "SELECT pg_try_advisory_lock(%s, hashtext(%s)) AS taken"
GIVE = "SELECT pg_advisory_unlock(%s, hashtext(%s))"
# Looked up and not tried: a lock taken only to look could turn a real run away.
HELD = """
SELECT 1 AS held FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = %s
  AND objid = (hashtext(%s)::bigint & 4294967295)::oid
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
RUNNING = "SELECT id, started FROM lines_run WHERE line = %s AND state = 'running' ORDER BY id DESC LIMIT 1"


@contextmanager
def hold_line(city: City, line: Line) -> Iterator[None]:
    """Keep `line` for this process; raises `Conflict` naming the run that holds it."""
    with city.db.own_connection() as conn:
        taken = conn.execute(TAKE, (LOCK_CLASS, line.name)).fetchone()
        if not taken or not taken["taken"]:
            running = conn.execute(RUNNING, (line.name,)).fetchone() or {}
            number = running.get("id", "?")
            since = f"{running['started'].astimezone(CITY_ZONE):%Y-%m-%d %H:%M:%S}" if running else "?"
            raise Conflict(
                "lines.running",
                Text(zh=f"这条专线正在运行：第 {number} 次，{since} 开始", en=f"The line is running: run {number}, since {since}"),
                Text(zh="等它结束，或看它的进度", en="Wait for it to end, or watch its progress"),
                line.name,
                facts={"run": number},
            )
        try:
            yield
        finally:
            # At once, and not only when the server notices that the connection is gone.
            with suppress(psycopg.Error):
                conn.execute(GIVE, (LOCK_CLASS, line.name))


def is_held(city: City, name: str) -> bool:
    """Whether some process runs the line called `name` now."""
    return city.db.one(HELD, (LOCK_CLASS, name)) is not None
