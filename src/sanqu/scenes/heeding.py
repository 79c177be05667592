"""Rules hear the lake (规则随动): a scene is looked at as soon as a dataset moves that its tables or rules read.

One process of the city does this, whichever came first; the job of every minute stays, for what no write tells of.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import SanquError
from sanqu.ground.tasks import end
from sanqu.scenes.keeping import Installed, installed
from sanqu.scenes.refreshing import LOOK, look_at_scene, sources_of

log = logging.getLogger(__name__)

MINE = "SELECT pg_try_advisory_lock(%s, 0) AS mine"
# What came together is looked at together; whoever takes long rests half as long, so that the lines keep their cores.
GATHER_SECONDS, REST = 0.01, 0.5
STANDBY_SECONDS, RELOAD_SECONDS = 2.0, 15.0
SLOW_SECONDS = 1.0


class Heeder:
    """A thread that looks at scenes as their datasets move."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sanqu-heeding", daemon=True)
        # Which scenes read a dataset; those that moved and were not looked at since; until when each rests (steady clock).
        self._readers: dict[str, list[Installed]] = {}
        self._moved: dict[str, Installed] = {}
        self._rests: dict[str, float] = {}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait until the look that is under way is over."""
        self._stopping.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._city.db.own_connection() as conn:
                    found = conn.execute(MINE, (LOOK,)).fetchone()
                    if found and found["mine"]:
                        asyncio.run(self._heed(conn))
            except (psycopg.Error, SanquError, OSError) as fault:
                log.warning("scenes wait to be looked at: %s", fault)
            self._stopping.wait(STANDBY_SECONDS)

    async def _heed(self, conn: Connection) -> None:
        """Look at scenes until told to stop, or until the lock is lost with its connection."""
        wake = asyncio.Event()
        hearing = asyncio.create_task(self._hear(wake))
        reloaded = 0.0
        try:
            while not self._stopping.is_set():
                if time.monotonic() - reloaded > RELOAD_SECONDS:
                    conn.execute("SELECT 1")
                    await asyncio.to_thread(self._reload)
                    reloaded = time.monotonic()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause()):
                        await wake.wait()
                wake.clear()
                if self._moved:
                    await asyncio.sleep(GATHER_SECONDS)
                    await asyncio.to_thread(self._look, conn)
        finally:
            await end(hearing)

    def _pause(self) -> float:
        """How long nothing is to be done: until a scene that moved has rested, or a new word comes."""
        waits = [self._rests.get(name, 0.0) - time.monotonic() for name in self._moved]
        return max(0.0, min([0.5, *waits]))

    async def _hear(self, wake: asyncio.Event) -> None:
        while True:
            try:
                async for message in self._city.bus.subscribe("lake.write.>"):
                    for one in self._readers.get(str(message.get("dataset")), ()):
                        self._moved[one.name] = one
                        wake.set()
            except Exception:
                log.debug("the bus is away", exc_info=True)
            await asyncio.sleep(0.5)

    def _reload(self) -> None:
        """Which scenes read which datasets; a scene that was installed meanwhile is known from here on."""
        readers: dict[str, list[Installed]] = {}
        for one in installed(self._city):
            try:
                for name in sources_of(self._city, one):
                    readers.setdefault(name, []).append(one)
            except SanquError as fault:
                log.warning("scene %s: %s", one.name, fault.what.in_("en"))
        self._readers = readers

    def _look(self, conn: Connection) -> None:
        """Look at every scene that moved and has rested."""
        for name, one in list(self._moved.items()):
            began = time.monotonic()
            if self._rests.get(name, 0.0) > began or self._stopping.is_set():
                continue
            del self._moved[name]
            try:
                look_at_scene(self._city, one, wait=False, conn=conn)
            except (SanquError, psycopg.Error) as fault:
                log.warning("scene %s: %s", name, fault)
                if conn.broken:
                    raise
            except Exception:
                log.exception("scene %s could not be looked at", name)
            took = time.monotonic() - began
            if took > SLOW_SECONDS:
                log.info("scene %s was looked at in %.1f s: its alarms come late", name, took)
            self._rests[name] = time.monotonic() + REST * took


@contextmanager
def heeding(city: City) -> Iterator[None]:
    """Look at scenes as their datasets move, for as long as the `with` lasts."""
    heeder = Heeder(city)
    heeder.start()
    try:
        yield
    finally:
        heeder.close()
