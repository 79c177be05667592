"""Lanes: a flood on one delays no other, a lane carries no more than it may, and within one every line gets its share."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence

from sanqu.ground.city import City
from sanqu.lines.live.lanes import Allowance, Lane, Turns, next_lane
from sanqu.lines.live.push import PushDoor
from sanqu.lines.live.stream import connect, drop_stream, ensure_stream, put
from sanqu.lines.records import Line
from tests.live.conftest import READINGS, Flow, make_line, rows, until


def push(city: City, line: Line, numbers: Sequence[int]) -> None:
    """Put rows into a line's stream, a thousand a message."""

    async def send() -> None:
        door = PushDoor(city)
        js = (await door.client()).jetstream()
        await ensure_stream(js, line)
        for start in range(0, len(numbers), 1000):
            part = [json.dumps({"id": n, "station": "s", "value": 1}) for n in numbers[start : start + 1000]]
            await put(js, line, "\n".join(part).encode(), {})
        await door.aclose()

    asyncio.run(send())


def line_of(city: City, name: str, lane: str) -> Line:
    return make_line(city, {**READINGS, "name": name}, source={"kind": "push"}, lane=lane)


def test_a_flood_on_one_lane_does_not_hold_up_another(city: City) -> None:
    flood, calm = line_of(city, "flood", "general"), line_of(city, "calm", "livelihood")
    push(city, flood, range(400_000))
    flow = Flow(city)
    flow.start()
    until(lambda: len(rows(city, "flood", "id")) > 0)
    push(city, calm, range(10))
    until(lambda: len(rows(city, "calm")) == 10)
    assert len(rows(city, "flood", "id")) < 400_000
    flow.stop()


def test_a_lane_carries_no_more_than_it_may(city: City) -> None:
    with city.db.connection() as conn:
        conn.execute("UPDATE live_lane SET rows_per_second = 500 WHERE name = 'general'")
    slow = line_of(city, "slow", "general")
    flow = Flow(city)
    flow.start()
    began = time.monotonic()
    for start in range(0, 3000, 100):
        push(city, slow, range(start, start + 100))
    until(lambda: len(rows(city, "slow", "id")) == 3000, 60)
    # Six seconds' worth, of which the first may come at once.
    assert time.monotonic() - began > 3
    flow.stop()


def test_a_city_may_have_more_lines_than_its_disk_could_hold_full(nats: str) -> None:
    lines = [Line.from_descriptor({"name": f"many-{number}", "dataset": "many", "source": {"kind": "push"}}) for number in range(300)]

    async def make() -> None:
        client = await connect(nats, "test")
        for line in lines:
            await ensure_stream(client.jetstream(), line)
        for line in lines:
            await drop_stream(client.jetstream(), line.name)
        await client.close()

    asyncio.run(make())


def test_the_lane_that_has_carried_least_for_its_weight_is_next() -> None:
    assert next_lane(["a", "b", "c"], {"a": 3.0, "b": 1.0, "c": 2.0}) == "b"
    assert next_lane(["a", "new"], {"a": 3.0}) == "new"


def test_of_several_that_wait_the_heavier_lane_goes_more_often_and_none_starves() -> None:
    async def run() -> list[str]:
        turns, taken = Turns(1), []

        async def work(lane: Lane) -> None:
            for _ in range(60):
                async with turns.turn(lane.name):
                    taken.append(lane.name)
                    await asyncio.sleep(0)
                turns.note(lane, 1.0)

        await asyncio.gather(*(work(Lane(name, weight)) for name, weight in (("a", 1), ("b", 1), ("c", 1), ("heavy", 6))))
        return taken

    first = asyncio.run(run())[:60]
    counts = {name: first.count(name) for name in ("a", "b", "c", "heavy")}
    assert counts["heavy"] > 1.7 * max(counts["a"], counts["b"], counts["c"])
    assert min(counts.values()) >= 8


def test_what_a_lane_did_not_use_is_not_saved_up_beyond_a_second() -> None:
    allowance, lane = Allowance(), Lane("x", rows_per_second=100)
    start = time.monotonic()
    assert allowance.rows(lane, start + 60) == 100
    allowance.spend(250)
    assert allowance.rows(lane, start + 61) == 0
    assert allowance.rows(lane, start + 63) == 100
    assert allowance.rows(Lane("y"), start) is None
