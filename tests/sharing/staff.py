"""People with accounts in the county: who applies, who decides, who stands above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sanqu.cases.records import Task
from sanqu.cases.work import complete_task, tasks_for
from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.persons import add_person, asker_for
from sanqu.sharing.processes import declare_processes


@dataclass(frozen=True)
class Staff:
    """Who is who."""

    wang: Asker
    town: Asker
    li: Asker
    clerk: Asker
    tax: Asker
    above: Asker
    chen: Asker


def settle(city: City) -> Staff:
    """Give them accounts, and the city its processes."""
    declare_processes(city)
    with city.db.connection() as conn:

        def person(login: str, *roles: tuple[Any, str]) -> Asker:
            found = asker_for(conn, add_person(conn, SYSTEM, login, login, list(roles)))
            assert found is not None
            return found

        return Staff(
            wang=person("wang", ("officer", "330802")), town=person("town", ("officer", "330802001")),
            li=person("li", ("steward", "civil")), clerk=person("clerk", ("officer", "civil")),
            tax=person("tax", ("steward", "tax")), above=person("above", ("steward", "3308")), chen=person("chen"),
        )  # fmt: skip


def waiting(city: City, asker: Asker) -> Task:
    """The one task that waits for the asker."""
    (task,), count = tasks_for(city, asker)
    assert count == 1
    return task


def do(city: City, asker: Asker, **result: Any) -> Any:
    """Do the task that waits for the asker."""
    return complete_task(city, asker, waiting(city, asker).id, result)
