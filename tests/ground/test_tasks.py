"""Tasks that must end do, even those that miss being told once."""

from __future__ import annotations

import asyncio

from sanqu.ground.tasks import end


def test_a_task_that_misses_the_first_word_is_told_again() -> None:
    told: list[str] = []

    async def deaf() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                told.append("told")
                if len(told) == 2:
                    raise

    async def work() -> asyncio.Task[None]:
        task = asyncio.create_task(deaf())
        await asyncio.sleep(0)
        await end(task)
        return task

    assert asyncio.run(work()).cancelled()
    assert told == ["told", "told"]


def test_what_a_task_broke_with_is_not_raised_where_it_is_ended() -> None:
    async def broken() -> None:
        raise ValueError("broke before")

    async def work() -> asyncio.Task[None]:
        task = asyncio.create_task(broken())
        await asyncio.sleep(0)
        await end(task)
        return task

    assert isinstance(asyncio.run(work()).exception(), ValueError)
