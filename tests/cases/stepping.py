"""A process of its own that takes case after case a step further, until it is killed: for the test of that.

e.g.  python -m tests.cases.stepping postgresql://… nats://… /tmp/home 7 user-id
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from sanqu.cases.timers import fire_timers
from sanqu.cases.work import complete_task, tasks_for
from sanqu.ground.bus import Bus
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Database
from sanqu.ground.errors import SanquError
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.persons import asker_for
from sanqu.ground.settings import Settings


def main() -> None:
    """Do open tasks by chance, and let timers fire, until nothing is open."""
    url, nats, home, seed, person = sys.argv[1:]
    city = City(Settings(home=Path(home), database_url=url, nats_url=nats), Database(url), Bus(nats))
    with city.db.connection() as conn:
        asker = asker_for(conn, int(person))
    assert asker is not None
    print("ready", flush=True)
    draw = random.Random(int(seed))
    while step(city, asker, draw):
        pass


def step(city: City, asker: Asker, draw: random.Random) -> bool:
    """Do a few of the open tasks; False when none is left."""
    fire_timers(city, now())
    tasks, total = tasks_for(city, asker, limit=40, offset=0)
    if not tasks:
        return False
    for task in draw.sample(tasks, min(10, len(tasks))):
        try:
            complete_task(city, asker, task.id, {"ok": draw.random() < 0.8})
        except SanquError:
            # Somebody else was faster.
            continue
    return total > 0


if __name__ == "__main__":
    main()
