"""The process of a report of progress (BPMN file beside this one): declared when a city opens."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from sanqu.cases.processes import declare_folder
from sanqu.cases.records import Process
from sanqu.ground.city import City

FOLDER = Path(__file__).parent


def declare_plan_processes(city: City) -> list[Process]:
    """Keep the newest version of each; a file that has not changed changes nothing."""
    # Who does the service tasks must be known before a process is declared.
    import_module("sanqu.indicators.projects.progress")
    return declare_folder(city, FOLDER)
