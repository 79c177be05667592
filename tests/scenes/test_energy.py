"""The scene energy on dirt of its field: negative and impossible readings, doubled and out-of-order ones, a gap that would shift the forecast."""

from __future__ import annotations

from typing import Any

from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM
from sanqu.lake import lake_of
from sanqu.lines.keeping import save_line
from sanqu.lines.quarantine import count_quarantine
from sanqu.lines.records import Line
from sanqu.lines.run import run_line
from sanqu.scenes.installing import install
from sanqu.scenes.keeping import Installed, woven_of
from sanqu.scenes.models import expand
from sanqu.scenes.package import find_scene, open_scene
from sanqu.scenes.refreshing import refresh_all
from sanqu.scenes.rules import list_alarms
from sanqu.sharing.door import Question, ask


def rows(city: City, one: Installed, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in ask(city, SYSTEM, Question(expand(woven_of(city, one), sql), "test")).table.to_pylist()]


def test_bad_readings_wait_in_quarantine_and_gaps_are_no_forecast(town: City) -> None:
    one = install(town, SYSTEM, open_scene(find_scene("energy")), samples=True, steward="3308")
    inbox = town.settings.home / "inbox"
    inbox.mkdir(exist_ok=True)
    whole = "\n".join(f"M900,2026-11-01T{hour:02}:{quarter * 15:02}:00,10" for hour in range(23, -1, -1) for quarter in range(4) if (hour, quarter) != (5, 1))
    (inbox / "readings.csv").write_text(f"meter,begins,kwh\nM900,2026-10-31T00:00:00,-4\nM900,2026-10-31T00:15:00,1000000\nM900,,3\nM900,2026-10-31T00:30:00,abc\nM900,2026-11-01T00:00:00,10\n{whole}\n")
    save_line(town, Line.from_descriptor({"name": "dirt", "title": {"zh": "脏数据"}, "dataset": "energy-readings", "mode": "upsert", "source": {"kind": "file", "path": str(inbox / "readings.csv")}}), SYSTEM)
    run = run_line(town, "dirt")
    assert run.counts.quarantined == 4 and count_quarantine(town, line="dirt", state="waiting") == 4
    refresh_all(town)
    # Doubled and out of order, the day is counted once; the quarter that lacks is an alarm.
    assert rows(town, one, "SELECT kwh, readings FROM days WHERE meter = 'M900'") == [(950.0, 95)]
    assert [alarm.message.en for alarm in list_alarms(town, SYSTEM, "energy", "missing")[0] if alarm.key.startswith("M900")] == ["M900 lacks 1 readings on 2026-11-01"]
    # Where something is missing within four weeks, nothing is forecast instead of something wrong.
    assert rows(town, one, "SELECT count(*) FROM ahead AS a WHERE NOT EXISTS (SELECT 1 FROM energy_readings AS r WHERE r.meter = a.meter AND r.begins = a.begins - INTERVAL 28 DAY)") == [(0,)]
    assert lake_of(town).count("energy-readings") == 161152 + 95
