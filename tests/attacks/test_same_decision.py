"""One law, several doors: rows, SQL, files, lookups, the page and explain decide the same about the same request.

The number of requests is `SANQU_EXAMPLES`, or 10,000 with `SANQU_MANY=1`.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanqu.ground.city import City
from sanqu.ground.errors import SanquError
from sanqu.ground.people.askers import PUBLIC, SYSTEM, Asker
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.persons import add_person
from sanqu.lake import lake_of
from sanqu.sharing.door import Question, ask, explain
from sanqu.sharing.grants import Grant, ItemGrant, add_grant
from sanqu.sharing.interfaces import Interface, switch_on
from sanqu.sharing.mirror import catch_up

from .county import EVERYONE, RESIDENTS, ROAD_LABELS, ROADS, SHOPS, TOWNS, someone
from .hall import Hall

EXAMPLES = 10_000 if os.environ.get("SANQU_MANY") == "1" else int(os.environ.get("SANQU_EXAMPLES", "150"))
PEOPLE = 24
PURPOSES = ("", "relief", "audit")
PLACES = [
    ("330802", "/3308/330802/"),
    ("330802001", "/3308/330802/330802001/"),
    ("330803", "/3308/330803/"),
    ("tax", "/3308/tax/"),
]
ITEMS = {said["name"]: [field["name"] for field in said["fields"]] for said in (RESIDENTS, SHOPS, ROADS)}
# Masks that leave an item's type as it is: a filter then means the same in a URL and in SQL.
MASKS: dict[str, list[dict[str, Any]]] = {
    "name": [{"kind": "keep", "first": 8}], "phone": [{"kind": "hash"}], "badge": [{"kind": "keep", "first": 4, "last": 1}],
    "age": [{"kind": "bucket", "width": 10}], "income": [{"kind": "round", "digits": -5}], "note": [{"kind": "drop"}],
    "plan": [{"kind": "keep", "first": 5}], "secret": [{"kind": "hash"}],
}  # fmt: skip
VALUES: dict[str, list[Any]] = {
    "name": ["person 7", "person 1****", "person 2"], "town": [*TOWNS, "nowhere"], "age": [20, 27, 30, 69], "born": [1947, 1999],
    "band": ["lone", "band 1"], "income": [500000.0, 981718.191], "phone": [EVERYONE[7].phone], "badge": [EVERYONE[7].badge, "BDG0****1"],
    "note": [EVERYONE[7].note], "id": [EVERYONE[9].id], "diagnosis": ["DX0"], "rank": [EVERYONE[9].rank], "no": [0, 7, 29], "turnover": [100.0],
    "owner": [EVERYONE[9].id], "metres": [750_000_000], "label": ROAD_LABELS[:3], "plan": ["PLAN1****"], "savings": [5_500_000_000],
    "lucky": [1.0], "secret": ["SHOP1"],
}  # fmt: skip
KEYS = {said["name"]: said["primaryKey"][0] for said in (RESIDENTS, SHOPS, ROADS)}
OPERATORS = {"": "=", "__ne": "IS DISTINCT FROM", "__gt": ">", "__lte": "<="}


@dataclass(frozen=True)
class Wanted:
    """A request that every door understands."""

    who: int
    purpose: str
    dataset: str
    items: tuple[str, ...]
    condition: tuple[str, str, Any] | None


@st.composite
def requests(draw: st.DrawFn) -> Wanted:
    dataset = draw(st.sampled_from(sorted(ITEMS)))
    items = draw(st.lists(st.sampled_from(ITEMS[dataset]), min_size=1, max_size=3, unique=True))
    condition = None
    if draw(st.booleans()):
        item = draw(st.sampled_from(ITEMS[dataset]))
        condition = (item, draw(st.sampled_from(sorted(OPERATORS))), draw(st.sampled_from(VALUES[item])))
    return Wanted(draw(st.integers(-1, PEOPLE - 1)), draw(st.sampled_from(PURPOSES)), dataset, tuple(items), condition)


@dataclass(frozen=True)
class Crowd:
    """People with roles, keys and grants drawn once; number -1 is the public."""

    city: City
    site: httpx.Client
    people: list[tuple[Asker, str]]

    def who(self, number: int) -> tuple[Asker, dict[str, str]]:
        if number < 0:
            return PUBLIC, {}
        asker, key = self.people[number]
        return asker, {"Authorization": f"Bearer {key}"}

    def rows(self, wanted: Wanted) -> Counter[str] | None:
        """What the row interface gives, None where it gives nothing."""
        params: dict[str, Any] = {"items": ",".join(wanted.items), "limit": 1000, "_purpose": wanted.purpose}
        if wanted.condition:
            item, operator, value = wanted.condition
            params[item + operator] = value
        said = self.site.get(f"/api/open/{wanted.dataset}", params=params, headers=self.who(wanted.who)[1])
        assert said.status_code < 500, said.text
        return _counted(said.json()["rows"]) if said.status_code == 200 else None

    def sql(self, wanted: Wanted) -> Counter[str] | None:
        """What the door gives for the same request in SQL."""
        return self._asked(wanted, _sql_of(wanted))

    def star(self, wanted: Wanted) -> Counter[str] | None:
        """What the door gives for all of the dataset."""
        return self._asked(wanted, f"SELECT * FROM {wanted.dataset}")

    def file(self, wanted: Wanted) -> Counter[str] | None:
        """What the file of the dataset holds."""
        said = self.site.get(f"/open/{wanted.dataset}.json", params={"_purpose": wanted.purpose}, headers=self.who(wanted.who)[1])
        assert said.status_code < 500, said.text
        return _counted(said.json()) if said.status_code == 200 else None

    def by_key(self, wanted: Wanted, key: Any) -> tuple[Counter[str] | None, Counter[str] | None]:
        """What the door gives for a row by its key, and what the lookup interface gives."""
        item = KEYS[wanted.dataset]
        sql = f'SELECT * FROM {wanted.dataset} WHERE "{item}" = ' + (f"'{key}'" if isinstance(key, str) else str(key))
        params = {"_purpose": wanted.purpose}
        said = self.site.get(f"/api/share/{wanted.dataset}/{key}", params=params, headers=self.who(wanted.who)[1])
        assert said.status_code < 500, said.text
        none = said.status_code == 404 and said.json()["instance"] == str(key)
        return self._asked(wanted, sql), Counter() if none else _counted([said.json()]) if said.status_code == 200 else None

    def page(self, wanted: Wanted) -> bool:
        """Whether the page shows an answer to the same query."""
        form = {"sql": _sql_of(wanted), "purpose": wanted.purpose}
        said = self.site.post("/ask/run", data=form, headers=self.who(wanted.who)[1] | {"Accept-Language": "en"})
        assert said.status_code == 200, said.text
        return "note good" in said.text

    def _asked(self, wanted: Wanted, sql: str) -> Counter[str] | None:
        asker, question = self.who(wanted.who)[0], Question(sql, wanted.purpose)
        try:
            allowed = explain(self.city, asker, question).allowed
        except SanquError:
            allowed = False
        try:
            found: Counter[str] | None = _counted(ask(self.city, asker, question).table.to_pylist())
        except SanquError:
            found = None
        assert allowed == (found is not None), f"explain and the door disagree over {sql}"
        return found


def _sql_of(wanted: Wanted) -> str:
    named = ", ".join(f'"{item}"' for item in wanted.items)
    sql = f"SELECT {named} FROM {wanted.dataset}"
    if wanted.condition:
        item, operator, value = wanted.condition
        sql += f' WHERE "{item}" {OPERATORS[operator]} ' + (f"'{value}'" if isinstance(value, str) else repr(value))
    return sql


def _counted(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(str(sorted((name, _plain(value)) for name, value in row.items())) for row in rows)


def _plain(value: Any) -> str:
    return repr(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


@pytest.fixture(scope="module")
def crowd(hall: Hall, site: httpx.Client) -> Crowd:
    """Two dozen people, each with up to three grants of whatever came up."""
    drawn = random.Random(20_240_607)
    people = []
    with hall.city.db.connection() as conn:
        for number in range(PEOPLE):
            unit, path = PLACES[number % len(PLACES)]
            person = add_person(conn, SYSTEM, f"one-of-the-crowd-{number}", "某人", [("officer", unit)])
            people.append((replace(someone(person, "officer", unit, path)), make_key(conn, SYSTEM, person, "crowd")))
            for _ in range(drawn.randint(0, 3)):
                _give(hall.city, conn, drawn, person)
        for name in ITEMS:
            switch_on(conn, SYSTEM, name, lake_of(hall.city).contract(name), Interface(per_minute=1_000_000))
    catch_up(hall.city)
    return Crowd(hall.city, site, people)


def _give(city: City, conn: Any, drawn: random.Random, person: int) -> None:
    dataset = drawn.choice(sorted(ITEMS))
    contract = lake_of(city).contract(dataset)
    grantable = [item for item in ITEMS[dataset] if contract.grade_of(item) != "L4"]
    items = tuple(
        ItemGrant(item=item, uses=("plain",), masks=tuple(MASKS.get(item, ())) if drawn.random() < 0.5 else ())
        for item in drawn.sample(grantable, drawn.randint(1, min(5, len(grantable))))
    ) + ((ItemGrant(item="rank", uses=("compare",)),) if dataset == "residents" and drawn.random() < 0.3 else ())
    items = tuple({one.item: one for one in items}.values())
    unit = drawn.choice([None, "*", "330802", "330803001"]) if contract.unit_item else None
    purposes = tuple(drawn.sample(["relief", "audit"], drawn.randint(1, 2)))
    grant = Grant(dataset=dataset, assignee=f"user:{person}", items=items, purposes=purposes, unit=unit)
    add_grant(conn, SYSTEM, grant, contract, contract.steward)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(wanted=requests(), whole=st.integers(0, 7), row=st.integers(0, 40))
def test_every_door_decides_the_same_and_gives_the_same_rows(crowd: Crowd, wanted: Wanted, whole: int, row: int) -> None:
    by_sql, by_rows = crowd.sql(wanted), crowd.rows(wanted)
    assert by_sql == by_rows, f"SQL and rows disagree over {wanted}"
    if whole == 0:
        assert crowd.star(wanted) == crowd.file(wanted), f"SQL and file disagree over {wanted}"
    elif whole == 1:
        assert crowd.page(wanted) == (by_sql is not None), f"SQL and the page disagree over {wanted}"
    elif whole == 2:
        key = EVERYONE[row].id if wanted.dataset == "residents" else row
        one, other = crowd.by_key(wanted, key)
        assert one == other, f"SQL and the lookup of {key} disagree over {wanted}"


def test_the_crowd_is_allowed_much_and_refused_much(crowd: Crowd) -> None:
    """Were everything refused, agreement would say nothing."""
    answers = [
        explain(crowd.city, crowd.who(who)[0], Question(f'SELECT "{item}" FROM {name}', "relief")).allowed
        for who in range(0, PEOPLE, 3) for name in ITEMS for item in ITEMS[name]
        if name != "roads" or who % 4 != 3
    ]  # fmt: skip
    assert 0.2 < sum(answers) / len(answers) < 0.8
