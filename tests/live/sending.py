"""What tests of live lines send, and what they see of it: rows by the push door, messages straight into a stream, what stands in the dataset, what is told of a line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM
from sanqu.lines.live.push import PushDoor, push_rows
from sanqu.lines.live.stream import connect, ensure_stream, subject_of
from sanqu.lines.live.watch import Trouble, watch_lines
from sanqu.lines.records import Line
from tests.live.conftest import READINGS, rows

APPENDED = {**READINGS, "name": "log", "primaryKey": []}


def publish(city: City, line: Line, *payloads: bytes, headers: dict[str, str] | None = None) -> None:
    """Put messages straight into the line's stream."""

    async def send() -> None:
        client = await connect(city.bus.url, "test")
        await ensure_stream(client.jetstream(), line)
        for payload in payloads:
            await client.jetstream().publish(subject_of(line), payload, headers=headers)
        await client.close()

    asyncio.run(send())


def push(city: City, line: Line, said: Sequence[dict[str, Any]], key: str = "") -> int:
    """Push rows as a device does; gives how many were there already."""

    async def send() -> int:
        door = PushDoor(city)
        try:
            return (await push_rows(door, line, said, key)).repeated
        finally:
            await door.aclose()

    return asyncio.run(send())


def reading(number: int, **more: object) -> dict[str, object]:
    """A row that is fine."""
    return {"id": number, "station": "衢江", "value": 1.0, **more}


def trouble(city: City, name: str) -> Trouble | None:
    """What whoever watches the line is told of it."""
    return watch_lines(city, SYSTEM, name)[0].trouble


def ids(city: City, name: str = "readings") -> list[int]:
    """Which rows are in the dataset."""
    return [row[0] for row in rows(city, name, "id")]
