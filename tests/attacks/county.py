"""The county that is attacked: every value that must not come out is a marker no other value can be taken for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import PUBLIC, SYSTEM, Asker, Role
from sanqu.ground.people.units import Kind, Unit, save_units
from sanqu.lake import Commit, Contract, lake_of
from sanqu.sharing.grants import Grant, Granted, ItemGrant, add_grant

PEOPLE = 240
TOWNS = ("330802001", "330802002", "330803001")
UNITS: list[tuple[str, str | None, Kind]] = [
    ("3308", None, "city"),
    ("330802", "3308", "county"),
    ("330803", "3308", "county"),
    ("330802001", "330802", "town"),
    ("330802002", "330802", "town"),
    ("330803001", "330803", "town"),
    ("civil", "3308", "department"),
    ("tax", "3308", "department"),
    ("archive", "3308", "department"),
]

RESIDENTS: dict[str, Any] = {
    "name": "residents", "title": {"zh": "居民", "en": "Residents"}, "steward": "civil", "primaryKey": ["id"],
    "grade": "L2", "sharing": "conditional", "opening": "none",
    "fields": [
        {"name": "id", "type": "string", "grade": "L3", "identifies": "person", "uses": ["join"]},
        {"name": "name", "type": "string", "grade": "L3"},
        {"name": "town", "type": "string", "identifies": "unit"},
        {"name": "band", "type": "string"},
        {"name": "age", "type": "integer"},
        {"name": "born", "type": "year"},
        {"name": "lucky", "type": "number"},
        {"name": "income", "type": "number", "grade": "L3", "uses": ["aggregate"]},
        {"name": "savings", "type": "integer", "grade": "L3", "uses": ["aggregate"]},
        {"name": "diagnosis", "type": "string", "grade": "L4", "uses": ["group"]},
        {"name": "rank", "type": "integer", "grade": "L3", "uses": ["compare"]},
        {"name": "phone", "type": "string", "grade": "L3"},
        {"name": "badge", "type": "string", "grade": "L3"},
        {"name": "note", "type": "string", "grade": "L4"},
    ],
}  # fmt: skip
SHOPS: dict[str, Any] = {
    "name": "shops", "title": {"zh": "商店", "en": "Shops"}, "steward": "tax", "primaryKey": ["no"],
    "fields": [
        {"name": "no", "type": "integer"},
        {"name": "town", "type": "string"},
        {"name": "turnover", "type": "number"},
        {"name": "owner", "type": "string", "grade": "L3", "uses": ["join"]},
        {"name": "secret", "type": "string", "grade": "L3"},
    ],
}  # fmt: skip
ROADS: dict[str, Any] = {
    "name": "roads", "title": {"zh": "道路", "en": "Roads"}, "steward": "civil", "primaryKey": ["no"], "opening": "none",
    "fields": [
        {"name": "no", "type": "integer"},
        {"name": "town", "type": "string", "identifies": "unit"},
        {"name": "metres", "type": "integer"},
        {"name": "label", "type": "string"},
        {"name": "plan", "type": "string", "grade": "L3"},
    ],
}  # fmt: skip
VAULT: dict[str, Any] = {
    "name": "vault", "title": {"zh": "密档", "en": "Vault"}, "steward": "archive", "primaryKey": ["no"],
    "grade": "L4", "sharing": "none", "opening": "none",
    "fields": [{"name": "no", "type": "integer"}, {"name": "deed", "type": "string"}],
}  # fmt: skip


def _fixed(*parts: object) -> int:
    """A number that looks drawn, the same in every run."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:6])


@dataclass(frozen=True)
class Person:
    """One resident, as the lake holds it."""

    number: int
    id: str
    name: str
    town: str
    band: str
    age: int
    born: int
    lucky: float | None
    income: float
    savings: int | None
    diagnosis: str
    rank: int
    phone: str
    badge: str
    note: str


def person(number: int) -> Person:
    """Resident `number`: every figure is unlike every other, and no difference of two is a third."""
    drawn = _fixed("income", number)
    return Person(
        number, f"IDX{_fixed('id', number) % 10**10:010d}", f"person {number}", TOWNS[number % 3],
        # One band holds a single person, one three: groups too small to be told.
        "lone" if number == 7 else "trio" if number in (21, 22, 23) else f"band {number % 4}",
        20 + number % 50, 1940 + number % 60, 1.0 if number == 7 else None, 100_000 + drawn % 10**9 / 1000.0,
        # All but a few have savings; those few hide nobody.
        None if number % 11 == 5 else 5_000_000_000 + _fixed("savings", number) % 10**9,
        f"DX{number % 7}", _fixed("rank", number) % 10**9, f"139{_fixed('phone', number) % 10**8:08d}",
        f"BDG{_fixed('badge', number) % 10**9:09d}", f"NOTE{_fixed('note', number) % 10**9:09d}",
    )  # fmt: skip


EVERYONE = [person(number) for number in range(PEOPLE)]


def _sql(value: object) -> str:
    return "NULL" if value is None else f"'{value}'" if isinstance(value, str) else repr(value)


def _values(columns: str, rows: list[tuple[object, ...]]) -> str:
    body = ", ".join("(" + ", ".join(map(_sql, row)) + ")" for row in rows)
    return f"SELECT * FROM (VALUES {body}) AS t({columns})"


def residents_rows(everyone: list[Person] = EVERYONE) -> str:
    """All residents as a SELECT."""
    names = [field["name"] for field in RESIDENTS["fields"]]
    return _values(", ".join(names), [tuple(getattr(one, name) for name in names) for one in everyone])


SHOP_SECRETS = [f"SHOP{_fixed('shop', n) % 10**9:09d}" for n in range(60)]
ROAD_LABELS = [f"ROAD{_fixed('road', n) % 10**9:09d}" for n in range(30)]
ROAD_PLANS = [f"PLAN{_fixed('plan', n) % 10**9:09d}" for n in range(30)]
ROAD_METRES = [700_000_000 + _fixed("metres", n) % 10**8 for n in range(30)]
DEEDS = [f"DEED{_fixed('deed', n) % 10**9:09d}" for n in range(9)]

ROWS = {
    "residents": residents_rows(),
    "shops": _values(
        "no, town, turnover, owner, secret",
        [(n, TOWNS[n % 3], n * 10.0, EVERYONE[n * 3].id, SHOP_SECRETS[n]) for n in range(60)],
    ),
    "roads": _values(
        "no, town, metres, label, plan",
        [(n, TOWNS[n % 3], ROAD_METRES[n], ROAD_LABELS[n], ROAD_PLANS[n]) for n in range(30)],
    ),
    "vault": _values("no, deed", list(enumerate(DEEDS))),
}


def someone(number: int, role: str, unit: str, path: str) -> Asker:
    """A person with one role."""
    return Asker(name=f"someone {number}", user_id=number, held=(Role(role, unit, path),))


def officer(number: int) -> Asker:
    """An officer of the county 330802: everyone there holds the grant."""
    return someone(number, "officer", "330802", "/3308/330802/")


def town_officer(number: int) -> Asker:
    """An officer of the town 330802001, and so of one town's roads."""
    return someone(number, "officer", "330802001", "/3308/330802/330802001/")


def stranger(number: int) -> Asker:
    """An officer of the other county: no grant reaches there."""
    return someone(number, "officer", "330803", "/3308/330803/")


def public(number: int) -> Asker:
    """Anyone; the number does not matter."""
    return PUBLIC


STEWARD = someone(14, "steward", "civil", "/3308/civil/")

GIVEN: dict[str, Any] = {
    "name": "plain", "lucky": "plain", "income": "aggregate", "savings": "aggregate", "diagnosis": "group",
    "id": "join", "rank": "compare", "phone": "plain", "badge": "plain", "town": "plain", "band": "plain", "age": "plain",
    "born": "plain",
}  # fmt: skip
MASKS: dict[str, tuple[dict[str, Any], ...]] = {
    "phone": ({"kind": "keep", "first": 3, "last": 0},), "badge": ({"kind": "hash"},),
}  # fmt: skip


def give(city: City, assignee: str, dataset: str = "residents", unit: str | None = None, **items: str) -> Granted:
    """A grant of `items` (their use by name) for the purpose `relief`."""
    named = tuple(ItemGrant(item=item, uses=(use,), masks=MASKS.get(item, ())) for item, use in items.items())  # type: ignore[arg-type]
    said = Grant(dataset=dataset, assignee=assignee, items=named, purposes=("relief",), unit=unit)
    with city.db.connection() as conn:
        return add_grant(conn, SYSTEM, said, lake_of(city).contract(dataset), "civil")


def settle(city: City) -> list[Granted]:
    """Fill a city with the county and its grants; gives the grants, whose secrets must not come out."""
    with city.db.connection() as conn:
        save_units(conn, [Unit(code, parent, kind, kind, Text(zh=code)) for code, parent, kind in UNITS])
    for said in (RESIDENTS, SHOPS, ROADS, VAULT):
        register_contract(city, Contract.from_descriptor(said), "system", state="published")
        with lake_of(city).engine() as duck:
            lake_of(city).upsert(str(said["name"]), ROWS[said["name"]], Commit("test"), duck=duck)
    return [
        give(city, "unit:330802", **GIVEN),
        give(city, "unit:330802", "shops", owner="join"),
        give(city, "unit:330803", badge="plain", age="plain"),
    ]
