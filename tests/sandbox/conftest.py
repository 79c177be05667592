"""A county with a room in it: two members, residents whose rows nobody may see, visits, taxes, open shops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.persons import RoleName, add_person, asker_for
from sanqu.lake import Commit, Contract, lake_of
from sanqu.sandbox.bodies import Body
from sanqu.sandbox.records import Result, Room
from sanqu.sandbox.results import ask_in_room, take_out
from sanqu.sandbox.rooms import NewRoom, add_member, make_room
from tests.conftest import MakeCity, MakeMould, Mould
from tests.sharing.conftest import Granting, grant, granting, settle

__all__ = ["grant"]

VISITS = {
    "name": "visits", "title": {"zh": "就诊", "en": "Visits"}, "steward": "civil", "primaryKey": ["no"], "grade": "L3",
    "sharing": "conditional", "opening": "none",
    "fields": [
        {"name": "no", "type": "integer"},
        {"name": "who", "type": "string", "identifies": "person"},
        {"name": "ward", "type": "string"},
        {"name": "cost", "type": "number"},
    ],
}  # fmt: skip
# One resident comes a thousand times and spends far more than all others.
VISIT_ROWS = """
SELECT i AS no, 'ID' || lpad((i % 300)::VARCHAR, 4, '0') AS who, 'w' || (i % 3) AS ward, 100.0 + i % 7 AS cost FROM range(300) t(i)
UNION ALL SELECT 1000 + i, 'ID0007', 'w1', 90000.0 FROM range(1000) t(i)
"""
TAXES = {
    "name": "taxes", "title": {"zh": "税", "en": "Taxes"}, "steward": "tax", "primaryKey": ["firm"], "grade": "L3",
    "sharing": "conditional", "opening": "none",
    "fields": [
        {"name": "firm", "type": "string", "identifies": "enterprise"},
        {"name": "trade", "type": "string"},
        {"name": "paid", "type": "number"},
    ],
}  # fmt: skip
# In every trade twenty firms; of the mines one pays nearly all, of the mills two pay nearly all.
TAX_ROWS = """
SELECT 'F' || i AS firm, list_element(['mines', 'mills', 'inns'], 1 + (i % 3)::INT) AS trade,
       CASE WHEN i = 0 THEN 1000000.0 WHEN i IN (1, 4) THEN 40000.0 ELSE 100.0 + i END AS paid
FROM range(60) t(i)
"""


@dataclass(frozen=True)
class Hut:
    """A room and its people."""

    city: City
    room: Room
    wang: Asker
    li: Asker
    civil: Asker
    tax: Asker
    outsider: Asker

    def ask(self, sql: str, who: Asker | None = None) -> Result:
        """What a question of a member comes to."""
        return ask_in_room(self.city, who or self.wang, self.room.id, sql, "study")

    def rows(self, sql: str, who: Asker | None = None) -> list[dict[str, Any]]:
        """The rows of a result that passes."""
        result = self.ask(sql, who)
        assert result.state == "passed", result.cause
        return self.out(result, who).table.to_pylist()  # type: ignore[no-any-return]

    def out(self, result: Result, who: Asker | None = None) -> Body:
        """What may leave of a result."""
        return take_out(self.city, who or self.wang, result.id)[1]


def person(city: City, login: str, *roles: tuple[RoleName, str]) -> Asker:
    """Someone the city knows."""
    with city.db.connection() as conn:
        found = asker_for(conn, add_person(conn, SYSTEM, login, login, list(roles)))
    assert found is not None
    return found


def open_room(city: City, title: str = "study room", **more: Any) -> Room:
    """A room for studies; the privacy budget is 3."""
    said: dict[str, Any] = {"title": title, "unit": "3308", "purposes": ("study",), "budget": Decimal(3)}
    return make_room(city, SYSTEM, NewRoom(**(said | more)))


Granter = Callable[[Room], None]


def granting_all(grant: Granting) -> Granter:
    """Grants what the datasets hold to a room, in plain: to be computed with, not to be seen."""

    def give(room: Room) -> None:
        study: dict[str, Any] = {"purposes": ("study",)}
        grant("residents", room.assignee, id="plain", name="plain", town="plain", age="plain", income="plain", **study)
        grant("visits", room.assignee, no="plain", who="plain", ward="plain", cost="plain", **study)
        grant("taxes", room.assignee, firm="plain", trade="plain", paid="plain", **study)

    return give


@pytest.fixture
def grant_all(grant: Granting) -> Granter:
    """Grants what the datasets hold to another room."""
    return granting_all(grant)


def build(county: City) -> Hut:
    """Open a room in the county, with members, and grant it what the datasets hold."""
    settle(county)
    for said, rows in ((VISITS, VISIT_ROWS), (TAXES, TAX_ROWS)):
        register_contract(county, Contract.from_descriptor(said), "system", state="published")
        with lake_of(county).engine() as duck:
            lake_of(county).upsert(str(said["name"]), rows, Commit("test"), duck=duck)
    room = open_room(county)
    granting_all(granting(county))(room)
    wang, li = person(county, "wang", ("officer", "330802")), person(county, "li")
    for one in (wang, li):
        add_member(county, SYSTEM, room.id, one.name)
    civil, tax = person(county, "civil-steward", ("steward", "civil")), person(county, "tax-steward", ("steward", "tax"))
    return Hut(county, room, wang, li, civil, tax, person(county, "outsider", ("officer", "330803")))


@pytest.fixture(scope="session")
def built(make_mould: MakeMould) -> tuple[Mould, Hut]:
    """The county with its room, made once."""
    huts: list[Hut] = []
    mould = make_mould(lambda city: huts.append(build(city)))
    return mould, huts[0]


@pytest.fixture
def county(make_city: MakeCity, built: tuple[Mould, Hut]) -> City:
    """The county in which the room is."""
    return make_city(built[0])


@pytest.fixture
def hut(county: City, built: tuple[Mould, Hut]) -> Hut:
    """The room with its members and what was granted to it."""
    return replace(built[1], city=county)


@pytest.fixture
def site_of_hut(hut: Hut, serve: Callable[[City], str]) -> Iterator[httpx.Client]:
    """Somebody before the county's interfaces."""
    with httpx.Client(base_url=serve(hut.city), timeout=60) as client:
        yield client


def key_of(city: City, asker: Asker) -> dict[str, str]:
    """The header with which a person asks by a program."""
    assert asker.user_id is not None
    with city.db.connection() as conn:
        return {"Authorization": make_key(conn, SYSTEM, asker.user_id, "test")}
