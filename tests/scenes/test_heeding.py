"""Rules hear the lake: an alarm is there as soon as its rows are, pages that show alarms are told, and the ledger hears of news only."""

from __future__ import annotations

import asyncio
import json
import time

from sanqu.ground.city import City
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import SYSTEM
from sanqu.lake import Commit, lake_of
from sanqu.scenes.heeding import heeding
from sanqu.scenes.installing import install
from sanqu.scenes.package import open_scene
from sanqu.scenes.refreshing import sources_of
from sanqu.scenes.rules import list_alarms
from sanqu.scenes.showing.asking import Reader, params_of
from sanqu.scenes.showing.live import follow
from sanqu.scenes.showing.stages import stage_of
from sanqu.sharing.door import Question, ask
from tests.live.conftest import until

from .conftest import Write

PAGE = """+++
title = { zh = "告警", en = "Alarms" }
audience = "staff"
+++

```alarms id=bells
```
"""


def put(city: City, sql: str) -> None:
    with lake_of(city).engine() as duck:
        lake_of(city).upsert("grove-orchards", sql, Commit("test"), duck=duck)


def test_an_alarm_is_raised_and_shown_when_its_rows_come_without_waiting_for_the_minute(town: City, write: Write) -> None:
    one = install(town, SYSTEM, open_scene(write({"pages/bells.md": PAGE})), samples=True, steward="3308")
    assert sources_of(town, one) == {"grove-orchards"}
    stage = stage_of(town, "grove")
    reader = Reader(town, SYSTEM, stage, stage.page("bells"), "en", params_of(stage.page("bells"), {}))

    async def hear() -> list[str]:
        async for event in follow(reader, {}, 0):
            lines = dict(line.split(": ", 1) for line in event.decode().strip().splitlines() if ": " in line)
            if lines.get("event") == "begin":
                await asyncio.sleep(0.5)
                await asyncio.to_thread(put, town, "SELECT 'A9' AS orchard, '柯城区' AS county, 2.0 AS area, '胡柚' AS variety")
            if lines.get("event") == "again":
                return list(json.loads(lines["data"])["ids"])
        return []

    with heeding(town):
        time.sleep(0.5)
        assert asyncio.run(asyncio.wait_for(hear(), 30)) == ["bells"]
        assert [alarm.message.en for alarm in list_alarms(town, SYSTEM, "grove", "small", only_open=True)[0]] == ["A9 has 2.0 mu", "A3 has 5.0 mu"]
        put(town, "SELECT 'A9' AS orchard, '柯城区' AS county, 20.0 AS area, '胡柚' AS variety")
        until(lambda: list_alarms(town, SYSTEM, "grove", "small", only_open=True)[1] == 1, 30)


def test_a_question_that_a_program_repeats_is_in_the_ledger_when_its_answer_is_new(town: City, write: Write) -> None:
    install(town, SYSTEM, open_scene(write()), samples=True, steward="3308")

    def noted(times: int) -> int:
        for _ in range(times):
            ask(town, SYSTEM, Question("SELECT count(*) FROM \"grove-orchards\"", "test-repeat", repeated=True))
        integrate(town)
        return sum(entry.kind == "sharing.read" and "test-repeat" in json.dumps(entry.facts, default=str) for entry in read_entries(town, limit=1000))

    assert noted(5) == 1
    put(town, "SELECT 'A9' AS orchard, '柯城区' AS county, 2.0 AS area, '胡柚' AS variety")
    assert noted(5) == 2
