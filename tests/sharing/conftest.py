"""A small county: residents whose incomes may only be added up, shops that are open, roads that departments share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM, Asker, Role
from sanqu.ground.people.units import Kind, Unit, save_units
from sanqu.lake import Commit, Contract, lake_of
from sanqu.sharing.grants import Grant, Granted, ItemGrant, add_grant
from tests.conftest import MakeCity, MakeMould, Mould

UNITS: list[tuple[str, str | None, Kind]] = [
    ("3308", None, "city"),
    ("330802", "3308", "county"),
    ("330803", "3308", "county"),
    ("330802001", "330802", "town"),
    ("330802002", "330802", "town"),
    ("330803001", "330803", "town"),
    ("civil", "3308", "department"),
    ("tax", "3308", "department"),
    ("tax-802", "330802", "department"),
]
TOWNS = ("330802001", "330802002", "330803001")

RESIDENTS = {
    "name": "residents",
    "title": {"zh": "居民", "en": "Residents"},
    "steward": "civil",
    "primaryKey": ["id"],
    "grade": "L2",
    "sharing": "conditional",
    "opening": "none",
    "fields": [
        {"name": "id", "type": "string", "grade": "L3", "identifies": "person", "uses": ["join"]},
        {"name": "name", "type": "string", "grade": "L3"},
        {"name": "town", "type": "string", "identifies": "unit"},
        {"name": "age", "type": "integer"},
        {"name": "income", "type": "number", "grade": "L3", "uses": ["aggregate"]},
        {"name": "diagnosis", "type": "string", "grade": "L4"},
    ],
}
SHOPS = {
    "name": "shops",
    "title": {"zh": "商店", "en": "Shops"},
    "steward": "tax",
    "primaryKey": ["no"],
    "fields": [
        {"name": "no", "type": "integer"},
        {"name": "town", "type": "string"},
        {"name": "turnover", "type": "number"},
        {"name": "owner", "type": "string", "grade": "L3", "uses": ["join"]},
    ],
}
ROADS = {
    "name": "roads",
    "title": {"zh": "道路", "en": "Roads"},
    "steward": "civil",
    "primaryKey": ["no"],
    "opening": "none",
    "fields": [
        {"name": "no", "type": "integer"},
        {"name": "town", "type": "string", "identifies": "unit"},
        {"name": "metres", "type": "number"},
        {"name": "plan", "type": "string", "grade": "L3"},
    ],
}

RESIDENT_ROWS = """
SELECT 'ID' || lpad(i::VARCHAR, 4, '0') AS id, 'person ' || i AS name,
       list_element(['330802001', '330802002', '330803001'], 1 + (i % 3)::INT) AS town,
       20 + (i % 50)::INT AS age, 1000.0 + i AS income, 'd' || (i % 7) AS diagnosis
FROM range(300) t(i)
"""
SHOP_ROWS = """
SELECT i AS no, list_element(['330802001', '330802002', '330803001'], 1 + (i % 3)::INT) AS town, i * 10.0 AS turnover,
       'ID' || lpad((i * 3)::VARCHAR, 4, '0') AS owner
FROM range(60) t(i)
"""
ROAD_ROWS = """
SELECT i AS no, list_element(['330802001', '330802002', '330803001'], 1 + (i % 3)::INT) AS town, i * 100.0 AS metres,
       'plan ' || i AS plan
FROM range(30) t(i)
"""


def someone(number: int, role: str, unit: str, path: str) -> Asker:
    """A person with one role."""
    return Asker(name=f"someone {number}", user_id=number, held=(Role(role, unit, path),))


OFFICER = someone(11, "officer", "330802", "/3308/330802/")
TOWN_OFFICER = someone(12, "officer", "330802001", "/3308/330802/330802001/")
TAX_OFFICER = someone(13, "officer", "tax", "/3308/tax/")
STEWARD = someone(14, "steward", "civil", "/3308/civil/")
OTHER = someone(15, "officer", "330803", "/3308/330803/")

Granting = Callable[..., Granted]


def settle(city: City) -> None:
    """Lay the county out in an empty city: units and three datasets, published and filled."""
    with city.db.connection() as conn:
        save_units(conn, [Unit(code, parent, kind, kind, Text(zh=code)) for code, parent, kind in UNITS])
    for said, rows in ((RESIDENTS, RESIDENT_ROWS), (SHOPS, SHOP_ROWS), (ROADS, ROAD_ROWS)):
        register_contract(city, Contract.from_descriptor(said), "system", state="published")
        with lake_of(city).engine() as duck:
            lake_of(city).upsert(str(said["name"]), rows, Commit("test"), duck=duck)


@pytest.fixture(scope="session")
def settled(make_mould: MakeMould) -> Mould:
    """The county, made once."""
    return make_mould(settle)


@pytest.fixture
def county(make_city: MakeCity, settled: Mould) -> City:
    """The county with its three datasets."""
    return make_city(settled)


def granting(city: City) -> Granting:
    """Grants items of a dataset: `grant("residents", "user:11", name="plain", income="aggregate", purposes=("relief",))`."""

    def give(dataset: str, assignee: str, *, purposes: tuple[str, ...] = ("relief",), masks: dict[str, Any] | None = None,
             **given: Any) -> Granted:  # fmt: skip
        limits = {key: given.pop(key) for key in ("unit", "until", "begins", "quota", "ground", "consent") if key in given}
        items = tuple(
            ItemGrant(item=item, uses=(uses,) if isinstance(uses, str) else tuple(uses), masks=tuple((masks or {}).get(item, ())))
            for item, uses in given.items()
        )
        said = Grant(dataset=dataset, assignee=assignee, items=items, purposes=purposes, **limits)
        with city.db.connection() as conn:
            return add_grant(conn, SYSTEM, said, lake_of(city).contract(dataset), "civil")

    return give


@pytest.fixture
def grant(county: City) -> Granting:
    """Grants items of the county's datasets."""
    return granting(county)


@pytest.fixture
def site_of_county(county: City, serve: Callable[[City], str]) -> Iterator[httpx.Client]:
    """A reader without an account before the county's interfaces."""
    with httpx.Client(base_url=serve(county), timeout=30) as client:
        yield client
