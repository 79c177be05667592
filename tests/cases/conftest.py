"""A county with a town, a department and people, and the processes of `processes/`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sanqu.cases import hooks
from sanqu.cases.hooks import on_end, on_service
from sanqu.cases.processes import declare_process
from sanqu.cases.records import Case
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.persons import add_person as add
from sanqu.ground.people.persons import asker_for
from sanqu.ground.people.units import Unit, save_units

PROCESSES = Path(__file__).parent / "processes"
# A Monday, ten in the morning in Quzhou; nothing but weekends about it.
MONDAY = datetime(2026, 3, 9, 2, 0, tzinfo=UTC)


@dataclass
class People:
    """Who is who."""

    applicant: Asker
    officer: Asker
    colleague: Asker
    water: Asker
    steward_above: Asker
    stranger: Asker
    admin: Asker


def drawn(name: str) -> str:
    """A process file of the tests."""
    return (PROCESSES / f"{name}.bpmn").read_text("utf-8")


@pytest.fixture
def people(city: City) -> People:
    """A city, a county with a department below it and a county beside it."""
    with city.db.connection() as conn:
        save_units(
            conn,
            [
                Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou")),
                Unit("330802", "3308", "county", "county", Text(zh="柯城区", en="Kecheng")),
                Unit("330802-water", "330802", "department", "county", Text(zh="柯城区水利局", en="Water of Kecheng")),
                Unit("330881", "3308", "county", "county", Text(zh="江山市", en="Jiangshan")),
            ],
        )

        def person(login: str, *roles: tuple[Any, str]) -> Asker:
            found = asker_for(conn, add(conn, SYSTEM, login, login, list(roles)))
            assert found is not None
            return found

        return People(
            applicant=person("applicant"), officer=person("officer", ("officer", "330802")),
            colleague=person("colleague", ("officer", "330802")), water=person("water", ("officer", "330802-water")),
            steward_above=person("above", ("steward", "3308")), stranger=person("stranger", ("steward", "330881")),
            admin=person("admin", ("admin", "3308")),
        )  # fmt: skip


@pytest.fixture
def done() -> Iterator[list[tuple[str, str]]]:
    """What service tasks and endings were told, in order."""
    before = dict(hooks._services), dict(hooks._endings)
    told: list[tuple[str, str]] = []

    def grant(city: City, conn: Connection, case: Case) -> dict[str, Any]:
        conn.execute("INSERT INTO city_fact (name, value) VALUES (%s, 'true')", (f"granted:{case.number}",))
        told.append(("grant", case.number))
        return {"grant": f"G-{case.number}"}

    on_service("application", "grant", grant)
    on_end("application", lambda city, conn, case: told.append(("end", f"{case.state}:{case.outcome}")))
    yield told
    for kept, was in zip((hooks._services, hooks._endings), before, strict=True):
        kept.clear()
        kept.update(was)


@pytest.fixture
def processes(city: City, done: list[tuple[str, str]]) -> None:
    """The example processes, declared."""
    declare_process(city, "application", drawn("application"), SYSTEM)
    declare_process(city, "together", drawn("together"), SYSTEM)
