"""The process of a report of progress (BPMN file beside this one): declared when a city opens."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from sanqu.cases.processes import declare_process
from sanqu.cases.records import Process
from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM

FOLDER = Path(__file__).parent


def declare_plan_processes(city: City) -> list[Process]:
    """Keep the newest version of each; a file that has not changed changes nothing."""
    # Who does the service tasks must be known before a process is declared.
    import_module("sanqu.indicators.projects.progress")
    return [declare_process(city, file.stem, file.read_text("utf-8"), SYSTEM) for file in sorted(FOLDER.glob("*.bpmn"))]
