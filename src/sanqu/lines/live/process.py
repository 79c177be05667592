"""`sanqu live` as a process: live lines are gathered and carried until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

from sanqu.ground.city import City
from sanqu.lake import lake_of
from sanqu.lines.live.traffic import Traffic


def flow(city: City) -> None:
    """Gather and carry live lines until SIGTERM or SIGINT."""

    async def run() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError, ValueError, RuntimeError):
                loop.add_signal_handler(number, stopping.set)
        lake_of(city).leave_a_core()
        await Traffic(city).run(stopping)

    asyncio.run(run())
