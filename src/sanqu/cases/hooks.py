"""Where rooms above say in code what their processes do: at a service task, and when a case ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sanqu.cases.records import Case
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import Unavailable
from sanqu.ground.i18n import Text

# Does the work in the transaction of the step; what it returns is kept in the case's data. What it raises undoes the step.
Service = Callable[[City, Connection, Case], Mapping[str, Any] | None]
Ending = Callable[[City, Connection, Case], None]

_services: dict[tuple[str, str], Service] = {}
_endings: dict[str, Ending] = {}


def on_service(process: str, name: str, function: Service) -> None:
    """Run `function(city, conn, case)` when a case of `process` reaches the service task with the id `name`."""
    _services[process, name] = function


def on_end(process: str, function: Ending) -> None:
    """Run `function(city, conn, case)` when a case of `process` ends, withdrawn ones too."""
    _endings[process] = function


def has_service(process: str, name: str) -> bool:
    """Whether somebody does the service task."""
    return (process, name) in _services


def run_service(city: City, conn: Connection, case: Case, name: str) -> dict[str, Any]:
    """Do the service task `name` of `case` and return what it adds to the data; raises `Unavailable` when nobody does it."""
    service = _services.get((case.process, name))
    if service is None:
        raise Unavailable(
            "cases.service",
            Text(zh="这个进程不会做这项自动任务", en="This process of the program does not know the service task"),
            Text(zh="装上登记了它的模块，再做这一步", en="Install the room that registers it, and take the step again"),
            f"{case.process}.{name}",
        )
    return dict(service(city, conn, case) or {})


def run_ending(city: City, conn: Connection, case: Case) -> None:
    """Tell the room above that `case` ended."""
    ending = _endings.get(case.process)
    if ending is not None:
        ending(city, conn, case)
