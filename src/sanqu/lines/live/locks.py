"""Who does what: one process carries a lane, one gathers a line, one carries it; PostgreSQL gives locks back when it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import Conflict
from sanqu.ground.i18n import Text

# The first of the two numbers of a lock: what it is for.
LANE, GATHER, CARRY = 7_530_020, 7_530_021, 7_530_022
TRY = "SELECT pg_try_advisory_lock(%s, hashtext(%s)) AS mine"
TAKE = "SELECT pg_advisory_lock(%s, hashtext(%s))"
GIVE = "SELECT pg_advisory_unlock(%s, hashtext(%s))"
WAIT_SECONDS = 30


def carried_alone(line: str) -> str:
    """The name under which rounds of a line go into the lake one after the other, whoever carries it."""
    return f"live/{line}"


class Locks:
    """What this process holds, on one connection; with the connection all of it goes."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.held: set[tuple[int, str]] = set()

    def take(self, kind: int, name: str) -> bool:
        """Hold it, if nobody else does."""
        if (kind, name) in self.held:
            return True
        row = self._conn.execute(TRY, (kind, name)).fetchone()
        if row and row["mine"]:
            self.held.add((kind, name))
            return True
        return False

    def give(self, kind: int, name: str) -> None:
        """Give it back."""
        if (kind, name) in self.held:
            self.held.discard((kind, name))
            self._conn.execute(GIVE, (kind, name))

    def check(self) -> None:
        """Raise `psycopg.Error` when the connection is gone, and with it all that was held."""
        self._conn.execute("SELECT 1")


@contextmanager
def carrying(city: City, line: str) -> Iterator[None]:
    """Keep everybody from carrying `line`; raises `Conflict` when whoever does so does not leave off."""
    with city.db.own_connection() as conn:
        conn.execute(f"SET lock_timeout = '{WAIT_SECONDS}s'")
        try:
            conn.execute(TAKE, (CARRY, line))
        except psycopg.errors.LockNotAvailable as fault:
            raise Conflict(
                "live.carried",
                Text(zh="这条专线正被承运，没有让出", en="The line is being carried and was not let go"),
                Text(zh="会自动再试", en="It is tried again by itself"),
                line,
            ) from fault
        try:
            yield
        finally:
            with suppress(psycopg.Error):
                conn.execute(GIVE, (CARRY, line))
