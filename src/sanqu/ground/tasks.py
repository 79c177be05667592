"""Tasks of an event loop that must truly come to their end (任务的终止)."""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_SECONDS = 1.0


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel `tasks` and wait until each is over, whatever it ended with.

    Once is not enough: `asyncio.wait_for` before Python 3.12 forgets that it was cancelled where what it waited for came in the
    same turn of the loop (python/cpython#86296), and libraries that use it go on as if nothing had been said.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)
