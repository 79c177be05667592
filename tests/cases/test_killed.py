"""Whoever moves cases may be killed between any two steps: each case stands in a legal state, no step is lost or doubled.

SANQU_KILLED_CASES=1000 is the whole form; SANQU_KILLED_SEED makes a run again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from sanqu.cases.history import case_history, case_tasks
from sanqu.cases.processes import declare_process
from sanqu.cases.start import start_case
from sanqu.cases.steps import hold
from sanqu.ground.city import City
from sanqu.ground.ledger import integrate, verify
from sanqu.ground.people.askers import SYSTEM
from tests.cases.conftest import People
from tests.cases.drawing import element, flows, many, process, timer, user
from tests.cases.stepping import step

CASES = int(os.environ.get("SANQU_KILLED_CASES", "40"))
SEED = int(os.environ.get("SANQU_KILLED_SEED", str(random.randrange(10**6))))
KILLS = max(4, CASES // 25)
UNIT = "case_unit"
# Rounds, branches side by side, many at once, a timer and a script: whatever a step may be made of.
XML = process(
    user("a", unit=UNIT, form='[{"name": "ok", "type": "boolean"}]'),
    element("exclusiveGateway", "fits", default="fits-fork"), element("parallelGateway", "fork"), user("b", unit=UNIT, form='[{"name": "ok", "type": "boolean"}]'),
    user("c", many("units", "member", "said"), unit="member", form='[{"name": "ok", "type": "boolean"}]'),
    element("parallelGateway", "join"), element("scriptTask", "count", "<script>rounds = 1 + (rounds if rounds else 0)</script>"),
    element("intermediateCatchEvent", "wait", timer("PT0S")), user("d", unit=UNIT, form='[{"name": "ok", "type": "boolean"}]'),
    flows("s>a", "a>fits", "fits>fork", "fits>a if not ok and rounds != 9", "fork>b", "fork>c", "b>join", "c>join", "join>count",
          "count>wait", "wait>d", "d>e"),
)  # fmt: skip
OPEN = "SELECT id FROM case_case WHERE state = 'open'"
READY = "SELECT id FROM case_task WHERE case_id = %s AND state = 'ready'"
TIMERS = "SELECT id FROM case_timer WHERE case_id = %s"


def test_no_step_is_lost_or_doubled_when_whoever_takes_it_is_killed(city: City, people: People, tmp_path: Path) -> None:
    declare_process(city, "killed", XML, SYSTEM)
    numbers = [
        start_case(city, people.applicant, "killed", f"{i}", unit="330802", data={"units": ["330802", "330802"]}).number for i in range(CASES)
    ]  # fmt: skip
    draw = random.Random(SEED)
    for _ in range(KILLS):
        child = begun(city, people, tmp_path, draw.randrange(10**6))
        time.sleep(draw.uniform(0.05, 0.4) if CASES < 500 else draw.uniform(0.3, 1.5))
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert_legal(city)
    while step(city, people.officer, draw):
        pass
    assert_legal(city)
    for number in numbers:
        assert_whole(city, number)
    integrate(city)
    assert verify(city).sound


def begun(city: City, people: People, home: Path, seed: int) -> subprocess.Popen[str]:
    """Somebody who takes steps, in a process of their own."""
    said = [city.settings.database_url, city.settings.nats_url, str(home), str(seed), str(people.officer.user_id)]
    child = subprocess.Popen([sys.executable, "-m", "tests.cases.stepping", *said], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def assert_legal(city: City) -> None:
    """What the engine waits for is what people can do and what timers will fire, in every open case."""
    for row in city.db.all(OPEN):
        with city.db.connection() as conn:
            held = hold(conn, row["id"])
            ready = {one["id"] for one in conn.execute(READY, (row["id"],))}
            timers = {one["id"] for one in conn.execute(TIMERS, (row["id"],))}
            assert held.running.user_tasks().keys() == ready, f"seed {SEED}"
            assert held.running.events().keys() == timers, f"seed {SEED}"
            assert ready or timers, f"seed {SEED}: case {held.case.number} waits for nobody"


def assert_whole(city: City, number: str) -> None:
    """Every step of an ended case stands in its history once."""
    tasks = case_tasks(city, SYSTEM, number)
    steps = case_history(city, SYSTEM, number)
    done: Counter[Any] = Counter(one.task for one in steps if one.what == "done")
    assert set(done.values()) == {1}, f"seed {SEED}"
    assert done.keys() == {task.id for task in tasks if task.state == "done"}, f"seed {SEED}"
    names = Counter(task.name for task in tasks)
    assert (names["b"], names["c"], names["d"]) == (1, 2, 1), f"seed {SEED}"
    whats = Counter(one.what for one in steps)
    assert (whats["started"], whats["ended"], whats["timer"]) == (1, 1, 1), f"seed {SEED}"
