"""A run killed at any moment: the next one goes on, nothing is lost, nothing doubled."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sanqu.ground.city import City
from sanqu.ground.errors import Conflict
from sanqu.ground.people.askers import SYSTEM
from sanqu.lake import Contract, lake_of
from sanqu.lines.keeping import runs, save_line
from sanqu.lines.locks import hold_line
from sanqu.lines.quarantine import count_quarantine
from sanqu.lines.records import Line, RunState
from sanqu.lines.run import run_line

from .conftest import HEAD, SHOPS

CHILD = """
import sys
from pathlib import Path
from sanqu.ground.bus import Bus
from sanqu.ground.city import City
from sanqu.ground.database import Database
from sanqu.ground.settings import Settings
from sanqu.lines.run import run_line
settings = Settings(home=Path(sys.argv[1]), database_url=sys.argv[2], memory_limit="1GB")
print("ready", flush=True)
run_line(City(settings, Database(settings.database_url), Bus("")), "shops")
print("done", flush=True)
"""
FILES, ROWS = 12, 3000


def _write_files(folder: Path) -> None:
    folder.mkdir()
    for number in range(FILES):
        body = "".join(f"{number * ROWS + n},店,2021-03-05,{'-1' if n % 100 == 0 else n},true,shop\n" for n in range(ROWS))
        (folder / f"{number:02}.csv").write_text(HEAD + body)


@pytest.mark.parametrize("keyed", [True, False], ids=["upsert", "append"])
def test_a_killed_run_is_taken_up_without_loss_or_doubling(city: City, tmp_path: Path, keyed: bool) -> None:
    contract: dict[str, Any] = SHOPS if keyed else {**SHOPS, "primaryKey": []}
    lake = lake_of(city)
    lake.declare(Contract.from_descriptor(contract), "test")
    _write_files(tmp_path / "in")
    line = {"name": "shops", "dataset": "shops", "mode": "upsert" if keyed else "append"}
    save_line(city, Line.from_descriptor({**line, "source": {"kind": "file", "path": str(tmp_path / "in")}}), SYSTEM)
    chance = random.Random(7 if keyed else 8)
    for _ in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(city.settings.home), city.settings.database_url],
            stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(chance.uniform(0.2, 1.2))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and _locked(city):
            time.sleep(0.05)
    last = run_line(city, "shops")
    assert last.cause is None
    bad = FILES * ROWS // 100
    assert lake.count("shops") == FILES * ROWS - bad
    assert count_quarantine(city, line="shops") == bad
    states = [run.state for run in runs(city, line="shops")]
    assert states[0] == RunState.DONE
    assert RunState.RUNNING not in states
    noted = city.db.one("SELECT sum((counts ->> 'read')::int) AS read, count(*) AS units FROM lines_unit WHERE line = 'shops'")
    assert noted == {"read": FILES * ROWS, "units": FILES}


def _locked(city: City) -> bool:
    from sanqu.lines.locks import is_held

    return is_held(city, "shops")


def test_a_second_run_at_once_is_refused_naming_the_first(city: City, tmp_path: Path) -> None:
    lake_of(city).declare(Contract.from_descriptor(SHOPS), "test")
    (tmp_path / "a.csv").write_text(HEAD + "1,a,,,,\n")
    line = Line.from_descriptor({"name": "shops", "dataset": "shops", "source": {"kind": "file", "path": str(tmp_path / "a.csv")}})
    save_line(city, line, SYSTEM)
    with hold_line(city, line), pytest.raises(Conflict, match="running"):
        run_line(city, "shops")
    assert run_line(city, "shops").inserted == 1


def test_a_commit_that_was_not_noted_is_not_carried_twice(city: City, tmp_path: Path) -> None:
    plain = {**SHOPS, "primaryKey": []}
    lake_of(city).declare(Contract.from_descriptor(plain), "test")
    (tmp_path / "a.csv").write_text(HEAD + "1,a,,,,\n2,b,,,,\n")
    source = {"kind": "file", "path": str(tmp_path / "a.csv")}
    save_line(city, Line.from_descriptor({"name": "shops", "dataset": "shops", "mode": "append", "source": source}), SYSTEM)
    first = run_line(city, "shops")
    # As if the process had died between the lake's commit and the note of it.
    with city.db.connection() as conn:
        conn.execute("DELETE FROM lines_unit")
        conn.execute("UPDATE lines_run SET state = 'running', ended = NULL WHERE id = %s", (first.id,))
    second = run_line(city, "shops")
    assert (second.resumes, second.state) == (first.id, RunState.DONE)
    assert lake_of(city).count("shops") == 2
    assert runs(city, line="shops")[1].state == RunState.CUT_OFF
