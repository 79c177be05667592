"""What the bus says, for the many readers of one process: one connection, however many listen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sanqu.ground.city import City

log = logging.getLogger(__name__)

# Topics that pages and feeds wait for.
TOPICS = ("lake.write.>", "lines.live.>", "scenes.alarms.>")
# One who does not read does not keep the others' messages for ever.
MOST_WAITING = 1_000


@dataclass(eq=False)
class Listening:
    """One reader: messages on topics that begin with `prefix`, the oldest first; those beyond the most are left out."""

    prefix: str | tuple[str, ...]
    wanted: Callable[[dict[str, Any]], bool] = lambda _message: True
    queue: asyncio.Queue[dict[str, Any]] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))

    async def next(self, seconds: float) -> dict[str, Any] | None:
        """The next message, None when none came in time."""
        try:
            async with asyncio.timeout(seconds):
                return await self.queue.get()
        except TimeoutError:
            return None


class Hub:
    """The listeners of this process; the bus is listened to while there are any."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._listening: set[Listening] = set()
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def listen(
        self, prefix: str | tuple[str, ...], wanted: Callable[[dict[str, Any]], bool] = lambda _message: True
    ) -> AsyncIterator[Listening]:
        """Listen for as long as the `async with` lasts; `prefix` is a topic, or the beginning of some; `wanted` picks messages."""
        one = Listening(prefix, wanted)
        self._listening.add(one)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._hear(topic)) for topic in TOPICS]
        try:
            yield one
        finally:
            self._listening.discard(one)
            if not self._listening:
                for task in self._tasks:
                    task.cancel()
                self._tasks = []

    def listeners(self, topic: str) -> int:
        """How many listen to just this topic now, in this process."""
        return sum(topic == one.prefix or (isinstance(one.prefix, tuple) and topic in one.prefix) for one in self._listening)

    async def _hear(self, topic: str) -> None:
        while True:
            try:
                async for subject, message in self._city.bus.subscribe_with_topic(topic):
                    self._tell(subject, message)
            except Exception:
                log.debug("the bus is away", exc_info=True)
            await asyncio.sleep(0.5)

    def _tell(self, subject: str, message: dict[str, Any]) -> None:
        for one in self._listening:
            if subject.startswith(one.prefix) and one.wanted(message) and not one.queue.full():
                one.queue.put_nowait(message)


def hub_of(city: City) -> Hub:
    """The hub of this process."""
    return city.part(Hub, Hub)
