"""Administration over HTTP: units, people and roles; and what it says when something does not fit."""

from __future__ import annotations

import httpx
import pytest

from sanqu.ground.city import City
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.persons import add_person, find_persons
from sanqu.ground.people.sessions import make_link
from sanqu.ground.people.units import unit

LI = {"login": "li", "name": "李四", "role": "steward", "unit": "330802"}
BUREAU = {"code": "330802-qxj", "parent": "330802", "kind": "department", "title": "柯城区气象局", "title_en": "Weather bureau"}


@pytest.fixture
def city(quzhou: City) -> City:
    """Whose pages `site` reads."""
    return quzhou


@pytest.fixture
def desk(quzhou: City, site: httpx.Client) -> httpx.Client:
    """An administrator before the pages."""
    with quzhou.db.connection() as conn:
        link = make_link(conn, add_person(conn, SYSTEM, "admin", "管理员", [("admin", "3308")]))
    site.post(f"/sign-in/{link}")
    return site


def test_an_administrator_adds_a_unit_and_the_ledger_has_it(desk: httpx.Client, quzhou: City) -> None:
    assert desk.post("/admin/units", data=BUREAU).status_code == 303
    made = unit(quzhou, "330802-qxj")
    assert (made.path, made.level, made.title.en) == ("/3308/330802/330802-qxj/", "county", "Weather bureau")
    assert "柯城区气象局" in desk.get("/admin/units?q=330802-qxj").text
    integrate(quzhou)
    assert len(read_entries(quzhou, subject="unit:330802-qxj")) == 1


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"code": "330802"}, 409),
        ({"code": "Not A Code"}, 400),
        ({"code": "x" * 65}, 400),
        ({"parent": "nowhere"}, 404),
        ({"kind": "castle"}, 422),
        ({"title": "  "}, 400),
    ],
)
def test_a_unit_that_cannot_be_is_refused(desk: httpx.Client, wrong: dict[str, str], status: int) -> None:
    answer = desk.post("/admin/units", data=BUREAU | wrong)
    assert answer.status_code == status, answer.text
    assert answer.json()["todo"]["zh"]


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"login": "admin"}, 409),
        ({"login": "x" * 5000}, 400),
        ({"login": "two words"}, 400),
        ({"name": "李" * 101}, 400),
        ({"role": "boss"}, 422),
        ({"unit": "nowhere"}, 404),
    ],
)
def test_a_person_that_cannot_be_is_refused(desk: httpx.Client, quzhou: City, wrong: dict[str, str], status: int) -> None:
    assert desk.post("/admin/people", data=LI | wrong).status_code == status
    assert find_persons(quzhou)[1] == 1


def test_roles_are_given_and_taken_back(desk: httpx.Client, quzhou: City) -> None:
    desk.post("/admin/people", data=LI)
    person = find_persons(quzhou, "li")[0][0].id
    desk.post(f"/admin/people/{person}/roles", data={"do": "give", "role": "officer", "unit": "3308"})
    assert find_persons(quzhou, "li")[0][0].roles == ("officer@3308", "steward@330802")
    desk.post(f"/admin/people/{person}/roles", data={"do": "take", "role": "steward", "unit": "330802"})
    assert find_persons(quzhou, "li")[0][0].roles == ("officer@3308",)
    assert desk.post("/admin/people/999/roles", data={"do": "give", "role": "officer", "unit": "3308"}).status_code == 404


def test_the_last_administrator_stays(desk: httpx.Client, quzhou: City) -> None:
    only = find_persons(quzhou, "admin")[0][0]
    assert desk.post(f"/admin/people/{only.id}/roles", data={"do": "take", "role": "admin", "unit": "3308"}).status_code == 409
    assert desk.post(f"/admin/people/{only.id}/closed").status_code == 409
    assert find_persons(quzhou, "admin")[0][0] == only


def test_what_is_wrong_with_a_form_is_said_in_the_readers_language(desk: httpx.Client) -> None:
    chinese = desk.post("/admin/people", data={"login": "li"}).json()["title"]
    english = desk.post("/admin/people?lang=en", data={"login": "li"}).json()["title"]
    assert (chinese, english) == ("请求的 body.name 不合规：没有给出", "body.name of the request does not fit: Field required")
