"""Waits for what PostgreSQL notifies, and wakes at once when it is to stop."""

from __future__ import annotations

import selectors
import socket
import threading

from sanqu.ground.database import Connection


class Ear:
    """Hears, for one thread, what is notified on a connection that LISTENs; any thread may close it."""

    def __init__(self) -> None:
        self._closing = threading.Event()
        # An event cannot be waited for together with a connection; the end of a pair of sockets can.
        self._waits, self._wakes = socket.socketpair()

    @property
    def closed(self) -> bool:
        """Whether whoever listens is to stop."""
        return self._closing.is_set()

    def hear(self, conn: Connection, seconds: float) -> bool:
        """Whether something was notified on `conn`; waits for it `seconds` at most, and no longer once closed.

        Raises `psycopg.Error` when the connection is lost, at the latest when asked again.
        """
        # What came along with an answer was taken off the wire with it.
        if _something(conn):
            return True
        with selectors.DefaultSelector() as both:
            both.register(conn, selectors.EVENT_READ)
            both.register(self._waits, selectors.EVENT_READ)
            both.select(seconds)
        return not self.closed and _something(conn)

    def rest(self, seconds: float) -> None:
        """Wait `seconds`, or until closed."""
        self._closing.wait(seconds)

    def close(self) -> None:
        """Wake whoever listens, for good."""
        self._closing.set()
        self._wakes.close()


def _something(conn: Connection) -> bool:
    return any(True for _ in conn.notifies(timeout=0))
