"""What tests of scenes on dirt share: a scene's queries, rows brought by a line, the alarms of a rule."""

from __future__ import annotations

from typing import Any

from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM
from sanqu.lines.keeping import save_line
from sanqu.lines.records import Line
from sanqu.lines.run import run_line
from sanqu.scenes.keeping import Installed, woven_of
from sanqu.scenes.models import expand
from sanqu.scenes.rules import list_alarms
from sanqu.sharing.door import Question, ask


def rows(city: City, one: Installed, sql: str) -> list[tuple[Any, ...]]:
    """What a query of the scene gives."""
    return [tuple(row.values()) for row in ask(city, SYSTEM, Question(expand(woven_of(city, one), sql), "test")).table.to_pylist()]


def feed(city: City, dataset: str, text: str) -> int:
    """Bring rows (CSV) into a dataset by a line; gives how many went to quarantine."""
    file, line = city.settings.home / "inbox" / f"{dataset}.csv", f"dirt-{dataset}"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, "utf-8")
    save_line(city, Line.from_descriptor({"name": line, "title": {"zh": "脏数据"}, "dataset": dataset, "mode": "upsert", "source": {"kind": "file", "path": str(file)}}), SYSTEM)
    run = run_line(city, line)
    assert run.cause is None
    return run.counts.quarantined


def messages(city: City, scene: str, rule: str) -> list[str]:
    """What the open alarms of a rule say, in English."""
    return [alarm.message.in_("en") for alarm in list_alarms(city, SYSTEM, scene, rule, only_open=True)[0]]


def alarmed(city: City, scene: str, rule: str) -> set[str]:
    """The first parts of the keys for which a rule has open alarms."""
    return {alarm.key.split("\x1f")[0] for alarm in list_alarms(city, SYSTEM, scene, rule, only_open=True, limit=500)[0]}
