"""One's own data as a resident sees it: who holds it, who read it, and consent that counts from the next read on."""

from __future__ import annotations

import httpx
import pytest

from sanqu.ground.city import City
from sanqu.ground.errors import NotFound, Refused
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.persons import add_person
from sanqu.sharing.door import Question, ask
from sanqu.sharing.my_data import (
    Identity,
    consents_of,
    give_consent,
    holdings_of,
    identify,
    identities_of,
    own_rows,
    reads_of,
    withdraw_consent,
)  # fmt: skip

from .conftest import OFFICER, Granting


@pytest.fixture
def resident(county: City) -> Asker:
    """A resident whose ID number has been checked."""
    with county.db.connection() as conn:
        person = add_person(conn, SYSTEM, "chen", "陈", [])
        identify(conn, SYSTEM, person, "person", "ID0007")
    return Asker(name="陈", user_id=person)


def names_read(city: City, purpose: str = "relief") -> list[str]:
    table = ask(city, OFFICER, Question("SELECT name FROM residents ORDER BY name", purpose)).table
    return [str(name) for name in table.column(0).to_pylist()]


def test_a_resident_finds_the_datasets_and_rows_that_are_about_oneself(county: City, resident: Asker) -> None:
    (held,) = holdings_of(county, identities_of(county, resident))
    assert (held.dataset, held.rows) == ("residents", 1)
    (row,) = own_rows(county, resident, "residents")
    assert (row["name"], row["income"], row["diagnosis"]) == ("person 7", 1007.0, "d0")
    with pytest.raises(NotFound):
        own_rows(county, resident, "shops")
    with pytest.raises(NotFound):
        own_rows(county, Asker(user_id=999), "residents")


def test_a_resident_sees_who_read_the_dataset_and_what_for(county: City, resident: Asker, grant: Granting) -> None:
    grant("residents", "user:11", name="plain")
    names_read(county)
    entry = next(one for one in reads_of(county, resident, "residents") if one.kind == "sharing.read")
    assert (entry.actor, entry.facts["purpose"], list(entry.facts["items"])) == ("user:11", "relief", ["name"])


def test_a_grant_that_rests_on_consent_reads_only_those_who_gave_it(county: City, resident: Asker, grant: Granting) -> None:
    grant("residents", "user:11", name="plain", consent=True)
    assert names_read(county) == []
    assert [(one.purpose, one.since) for one in consents_of(county, resident)] == [("relief", None)]
    give_consent(county, resident, "residents", "relief")
    assert names_read(county) == ["person 7"]
    withdraw_consent(county, resident, "residents", "relief")
    assert names_read(county) == []


def test_only_an_administrator_says_who_someone_is(county: City, resident: Asker) -> None:
    with county.db.connection() as conn, pytest.raises(Refused):
        identify(conn, resident, resident.user_id or 0, "person", "ID0001")
    integrate(county)
    (entry,) = read_entries(county, kind="sharing.identify")
    assert "ID0007" not in entry.body


def test_the_receipt_of_a_read_is_for_those_whom_it_concerns(
    county: City, resident: Asker, grant: Granting, site_of_county: httpx.Client
) -> None:
    grant("residents", "user:11", name="plain")
    names_read(county)
    with county.db.connection() as conn:
        mine = make_key(conn, SYSTEM, resident.user_id or 0, "k")
        other = make_key(conn, SYSTEM, add_person(conn, SYSTEM, "wu", "吴", []), "k")
    listed = site_of_county.get("/api/my-data/residents/reads", headers={"Authorization": mine}).json()["reads"]
    number = next(one["entry"] for one in listed if one["kind"] == "sharing.read")
    receipt = site_of_county.get(f"/api/my-data/proof/{number}", headers={"Authorization": mine})
    assert receipt.status_code == 200 and receipt.json()["suite"] == "ed25519-sha256"
    assert site_of_county.get(f"/api/my-data/proof/{number}", headers={"Authorization": other}).status_code == 403


def test_an_identity_is_shown_with_its_middle_hidden() -> None:
    assert Identity("person", "330802199001011234").shown == "33**************34"
