"""Where rooms above say in code what their processes do: at a service task, and when a case ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sanqu.cases.records import Case, Task
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import Unavailable
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

# Does the work in the transaction of the step; what it returns is kept in the case's data. What it raises undoes the step.
Service = Callable[[City, Connection, Case], Mapping[str, Any] | None]
Ending = Callable[[City, Connection, Case], None]
# A task goes to another unit, in the transaction in which it does; what it returns is kept in the case's data.
Forwarding = Callable[[City, Connection, Case, Task, str], Mapping[str, Any] | None]

# What a case's page says of it besides its history, for a reader who may know of the case.
Showing = Callable[[City, Asker, Case], "Shown"]


@dataclass(frozen=True)
class Shown:
    """What a case is about, as its page shows it: facts, and pages to go to."""

    facts: tuple[tuple[Text, Text | str], ...] = ()
    links: tuple[tuple[Text, str], ...] = ()


_showings: dict[str, Showing] = {}
_pages: dict[tuple[str, str], str] = {}
_services: dict[tuple[str, str], Service] = {}
_endings: dict[str, Ending] = {}
_forwardings: dict[str, Forwarding] = {}


def on_service(process: str, name: str, function: Service) -> None:
    """Run `function(city, conn, case)` when a case of `process` reaches the service task with the id `name`."""
    _services[process, name] = function


def on_end(process: str, function: Ending) -> None:
    """Run `function(city, conn, case)` when a case of `process` ends, withdrawn ones too."""
    _endings[process] = function


def on_forward(process: str, function: Forwarding) -> None:
    """Run `function(city, conn, case, task, unit)` when a task of a case of `process` is handed on to another unit."""
    _forwardings[process] = function


def on_show(process: str, function: Showing) -> None:
    """Let `function(city, asker, case)` say what the page of a case of `process` shows of it."""
    _showings[process] = function


def on_task(process: str, name: str, page: str) -> None:
    """Let the task `name` be done on a page of the room above: `page` is its path, with `{number}` of the case in it."""
    _pages[process, name] = page


def shown_of(city: City, asker: Asker, case: Case) -> Shown:
    """What the room above shows of a case; nothing where it says nothing."""
    showing = _showings.get(case.process)
    return showing(city, asker, case) if showing is not None else Shown(_told(case))


def _told(case: Case) -> tuple[tuple[Text, Text | str], ...]:
    """What the data of a case list as `said`, in words: what a form was filled in with, what an alarm said."""
    said = case.data.get("said")
    listed = [one for one in said if isinstance(one, dict) and {"title", "value"} <= one.keys()] if isinstance(said, list) else []
    return tuple((Text.model_validate(one["title"]), Text.model_validate(one["value"])) for one in listed if all(isinstance(one[key], str | dict) for key in ("title", "value")))


def page_of_task(case: Case, name: str) -> str | None:
    """The page on which a task is done, where it is not the form on the case's own."""
    page = _pages.get((case.process, name))
    return page.format(number=case.number) if page is not None else None


def has_service(process: str, name: str) -> bool:
    """Whether somebody does the service task."""
    return (process, name) in _services


def run_service(city: City, conn: Connection, case: Case, name: str, owner: str | None = None) -> dict[str, Any]:
    """Do the service task `name` of `case` and return what it adds to the data; raises `Unavailable` when nobody does it.

    `owner` is the process that the element was called from, where it is not the case's own.
    """
    service = _services.get((case.process, name)) or _services.get((owner or case.process, name))
    if service is None:
        raise Unavailable(
            "cases.service",
            Text(zh="这个进程不会做这项自动任务", en="This process of the program does not know the service task"),
            Text(zh="装上登记了它的模块，再做这一步", en="Install the room that registers it, and take the step again"),
            f"{case.process}.{name}",
        )
    return dict(service(city, conn, case) or {})


def run_forwarding(city: City, conn: Connection, case: Case, task: Task, unit: str) -> dict[str, Any]:
    """Tell the room above that a task goes to `unit`; returns what that adds to the case's data."""
    forwarding = _forwardings.get(case.process)
    return dict(forwarding(city, conn, case, task, unit) or {}) if forwarding is not None else {}


def run_ending(city: City, conn: Connection, case: Case) -> None:
    """Tell the room above that `case` ended."""
    ending = _endings.get(case.process)
    if ending is not None:
        ending(city, conn, case)
