"""The processes of sharing (BPMN files beside this one): declared when a city opens, run in the room of cases."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from sanqu.cases.processes import declare_folder
from sanqu.cases.records import Process
from sanqu.ground.city import City

# Who does the service tasks must be known before a process is declared.
SERVICES = ("applications", "corrections", "source_cases")
FOLDER = Path(__file__).parent


def declare_processes(city: City) -> list[Process]:
    """Keep the newest version of each; a file that has not changed changes nothing."""
    for name in SERVICES:
        import_module(f"sanqu.sharing.{name}")
    return declare_folder(city, FOLDER)
