"""Units, people, sessions and keys: who may come in, and what they are then."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import asker_of_key, list_keys, make_key, revoke_key
from sanqu.ground.people.persons import add_person, check_password, find_persons, set_password, set_state
from sanqu.ground.people.sessions import asker_of_session, end_session, make_link, use_link
from sanqu.ground.people.units import Unit, ancestors, children, find_units, paths_of, save_units, unit

TREE = [
    Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou")),
    Unit("330802", "3308", "county", "county", Text(zh="柯城区", en="Kecheng")),
    Unit("330802100", "330802", "town", "town", Text(zh="石梁镇", en="Shiliang")),
    Unit("dsj", "3308", "department", "city", Text(zh="大数据局", en="Data bureau")),
]


@pytest.fixture
def town(city: City) -> City:
    """A city with a small tree of units."""
    with city.db.connection() as conn:
        save_units(conn, TREE)
    return city


def add(city: City, login: str = "li", role: str = "steward", at: str = "330802") -> int:
    with city.db.connection() as conn:
        return add_person(conn, SYSTEM, login, "李四", [(role, at)])  # type: ignore[list-item]


def test_units_form_a_tree_that_can_be_walked_and_searched(town: City) -> None:
    assert [u.code for u in children(town, "3308")] == ["330802", "dsj"]
    assert [u.code for u in ancestors(town, unit(town, "330802100"))] == ["3308", "330802"]
    assert unit(town, "330802100").path == "/3308/330802/330802100/"
    found, total = find_units(town, text="石梁")
    assert (found[0].code, total) == ("330802100", 1)
    assert find_units(town, kind="department")[1] == 1
    assert find_units(town, under="/3308/330802/")[1] == 2
    with pytest.raises(NotFound):
        unit(town, "nowhere")


def test_units_that_ring_or_hang_in_the_air_are_refused() -> None:
    with pytest.raises(BadInput, match="no tree"):
        paths_of([Unit("a", "b", "town", "town", Text()), Unit("b", "a", "town", "town", Text())])
    with pytest.raises(BadInput):
        paths_of([Unit("a", "nowhere", "town", "town", Text())])


def test_a_sign_in_link_works_once(town: City) -> None:
    person = add(town)
    with town.db.connection() as conn:
        link = make_link(conn, person)
    session = use_link(town, link, "test")
    asker = asker_of_session(town, session)
    assert asker is not None
    assert asker.name == "李四"
    with pytest.raises(Refused):
        use_link(town, link, "test")
    end_session(town, session)
    assert asker_of_session(town, session) is None


def test_a_steward_answers_for_the_unit_and_what_is_below_it(town: City) -> None:
    with town.db.connection() as conn:
        link = make_link(conn, add(town))
    asker = asker_of_session(town, use_link(town, link, "test"))
    assert asker is not None
    assert asker.may_steward("/3308/330802/")
    assert asker.may_steward("/3308/330802/330802100/")
    assert not asker.may_steward("/3308/")
    assert not asker.may_steward("/3308/dsj/")


def test_a_key_asks_in_its_persons_name_until_it_is_revoked(town: City) -> None:
    person = add(town)
    with town.db.connection() as conn:
        token = make_key(conn, SYSTEM, person, "harvester")
        gone = make_key(conn, SYSTEM, person, "old", expires=now() - timedelta(days=1))
    asker = asker_of_key(town, token)
    assert asker is not None
    assert asker.label == f"user:{person}/key:{asker.key_id}"
    assert asker_of_key(town, gone) is None
    assert asker_of_key(town, "sq_made-up") is None
    assert token not in str(list_keys(town))
    with town.db.connection() as conn:
        revoke_key(conn, SYSTEM, asker.key_id or 0)
        with pytest.raises(NotFound):
            revoke_key(conn, SYSTEM, asker.key_id or 0)


def test_passwords_are_checked_and_short_ones_refused(town: City) -> None:
    person = add(town)
    with town.db.connection() as conn:
        assert check_password(conn, "li", "anything") is None
        with pytest.raises(BadInput):
            set_password(conn, SYSTEM, person, "short")
        set_password(conn, SYSTEM, person, "a long enough one")
        assert check_password(conn, "LI", "a long enough one") == person
        assert check_password(conn, "li", "another long one") is None
        assert check_password(conn, "nobody", "a long enough one") is None


def test_a_closed_person_is_out_at_once(town: City) -> None:
    person = add(town)
    with town.db.connection() as conn:
        link = make_link(conn, person)
    session = use_link(town, link, "test")
    with town.db.connection() as conn:
        set_state(conn, SYSTEM, person, "closed")
    assert asker_of_session(town, session) is None


def test_what_is_done_to_people_is_in_the_ledger_without_their_names(town: City) -> None:
    person = add(town)
    integrate(town)
    entries = read_entries(town, subject=f"user:{person}")
    assert {entry.kind for entry in entries} == {"people.add", "people.roles"}
    assert all("李四" not in entry.body for entry in entries)


def test_a_login_can_be_had_once_and_people_are_found_by_name(town: City) -> None:
    add(town)
    with pytest.raises(Conflict):
        add(town, "LI")
    found, total = find_persons(town, "李")
    assert total == 1
    assert found[0].roles == ("steward@330802",)
