"""The process of an event (BPMN file beside this one) and the table by which it is dispatched: declared when a city opens."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from sanqu.cases.processes import declare_folder
from sanqu.cases.records import Process
from sanqu.governance.dispatching import declare_table
from sanqu.ground.city import City

FOLDER = Path(__file__).parent


def declare_processes(city: City) -> list[Process]:
    """Keep the newest version of each, and of the table of dispatch; what has not changed changes nothing."""
    # Who does the service tasks must be known before a process is declared.
    import_module("sanqu.governance.moves")
    declare_table(city)
    return declare_folder(city, FOLDER)
