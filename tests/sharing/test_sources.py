"""One item, one source: claims are found by name and by values, references are none, and a unit above both decides."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanqu.cases.history import case_tasks
from sanqu.cases.work import complete_task
from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, Refused
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.persons import add_person
from sanqu.lake import Commit, Contract, Field, lake_of
from sanqu.sharing.source_cases import hearings, open_hearing
from sanqu.sharing.sources import Sketch, decide_source, find_rivals, list_rivals, shared, sources_named

from .conftest import STEWARD, someone
from .staff import do, settle, waiting


def declared(city: City, name: str, rows: str, **more: object) -> None:
    fields = [{"name": "code", "title": {"zh": "企业代码"}}, {"name": "phone", "title": {"zh": "电话"}}, {"name": "kind"}]
    said = {"name": name, "title": {"zh": name}, "steward": "tax", "primaryKey": ["code"], "fields": fields} | more
    register_contract(city, Contract.from_descriptor(said), "system", state="published")
    with lake_of(city).engine() as duck:
        lake_of(city).upsert(name, rows, Commit("test"), duck=duck)


FIRMS = "SELECT 'C' || i AS code, '0570-' || i AS phone, 'k' || (i % 3) AS kind FROM range(400) t(i)"
LICENCES = "SELECT 'L' || i AS code, '0570-' || i AS phone, 'k' || (i % 3) AS kind FROM range(100, 400) t(i)"


@pytest.fixture
def claimed(county: City) -> City:
    declared(county, "firms", FIRMS)
    declared(county, "licences", LICENCES, steward="civil")
    find_rivals(county)
    return county


def test_a_claim_is_found_by_values_and_name_and_few_kinds_of_codes_are_none(claimed: City) -> None:
    (rival,) = list_rivals(claimed, dataset="firms")
    assert (rival.dataset, rival.item, rival.other, rival.other_item) == ("firms", "phone", "licences", "phone")
    assert rival.same_name and rival.overlap > 0.9


def test_what_a_contract_says_is_a_reference_is_no_claim(county: City) -> None:
    declared(county, "firms", FIRMS)
    link = [{"fields": ["phone"], "dataset": "firms", "reference_fields": ["phone"]}]
    declared(county, "licences", LICENCES, foreignKeys=link)
    find_rivals(county)
    assert list_rivals(county, dataset="firms") == []


def test_a_unit_above_both_decides_with_a_reason_and_both_ledgers_say_so(claimed: City) -> None:
    (rival,) = list_rivals(claimed, dataset="firms")
    with pytest.raises(Refused):
        decide_source(claimed, STEWARD, rival.id, "firms", "registers them")
    above = someone(20, "steward", "3308", "/3308/")
    with pytest.raises(BadInput):
        decide_source(claimed, above, rival.id, "shops", "no")
    decided = decide_source(claimed, above, rival.id, "firms", "registers them")
    assert sources_named([decided], "licences") == {"phone": ("firms", "phone")} and sources_named([decided], "firms") == {}
    find_rivals(claimed)
    assert list_rivals(claimed, dataset="firms")[0].source == "firms"
    integrate(claimed)
    assert {entry.subject for entry in read_entries(claimed, kind="sharing.source")} == {"dataset:firms", "dataset:licences"}


def test_a_claim_that_is_no_more_goes_from_the_list(claimed: City) -> None:
    with lake_of(claimed).engine() as duck:
        lake_of(claimed).upsert(
            "licences", "SELECT code, 'x' || code AS phone, kind FROM lake.main.licences", Commit("t"), duck=duck
        )
    find_rivals(claimed)
    assert list_rivals(claimed, dataset="firms") == []


def test_both_stewards_are_heard_and_the_unit_above_decides(claimed: City) -> None:
    staff = settle(claimed)
    rival = list_rivals(claimed, dataset="firms")[0]
    with pytest.raises(Refused):
        open_hearing(claimed, staff.wang, rival.id)
    case = open_hearing(claimed, staff.tax, rival.id)
    with pytest.raises(Conflict, match="heard already"):
        open_hearing(claimed, staff.above, rival.id)
    assert hearings(claimed) == {rival.id: case.number}
    hearing = {one.name: one for one in case_tasks(claimed, staff.above, case.number)}
    assert {one.unit for one in hearing.values()} == {"civil", "tax"}
    mine = next(one for one in hearing.values() if one.unit == "tax")
    with pytest.raises(BadInput, match="must be one of"):
        complete_task(claimed, staff.tax, mine.id, {f"{mine.name[5:]}_says": "shops", f"{mine.name[5:]}_because": "x"})
    for asker, name in ((staff.tax, "firms"), (staff.li, "licences")):
        task = next(one for one in hearing.values() if one.name == waiting(claimed, asker).name)
        do(claimed, asker, **{f"{task.name[5:]}_says": name, f"{task.name[5:]}_because": "ours"})
    assert waiting(claimed, staff.above).name == "decide"
    do(claimed, staff.above, source="firms", reason="registers them")
    decided = list_rivals(claimed, dataset="firms")[0]
    assert (decided.source, decided.reason, decided.actor) == ("firms", "registers them", staff.above.label)
    assert hearings(claimed) == {}


def test_the_page_and_the_interface_are_for_staff(claimed: City, site_of_county: httpx.Client) -> None:
    settle(claimed)
    with claimed.db.connection() as conn:
        admin = {"Authorization": make_key(conn, SYSTEM, add_person(conn, SYSTEM, "zhou", "周", [("admin", "3308")]), "k")}
    assert site_of_county.get("/api/sources").status_code == 401
    one = next(r for r in site_of_county.get("/api/sources", headers=admin).json()["rivals"] if r["dataset"] == "firms")
    begun = site_of_county.post(f"/sources/{one['id']}", headers=admin)
    assert begun.status_code == 303
    number = begun.headers["location"].removeprefix("/cases/")
    assert number in site_of_county.get("/sources", headers=admin).text
    assert site_of_county.post(f"/api/sources/{one['id']}", headers=admin).status_code == 409
    assert site_of_county.get(f"/cases/{number}", headers=admin).status_code == 200


@given(
    st.sets(st.integers(0, 2**64 - 1), max_size=150),
    st.sets(st.integers(0, 2**64 - 1), max_size=150),
    st.sets(st.integers(0, 2**64 - 1), min_size=1, max_size=150),
)
def test_below_the_size_of_a_sketch_the_share_is_exact(left: set[int], right: set[int], both: set[int]) -> None:
    def sketch(values: set[int]) -> Sketch:
        return Sketch("d", Field(name="i"), False, 0.0, len(values), tuple(sorted(values)))

    one, other = left | both, right | both
    exact = len(one & other) / min(len(one), len(other))
    assert shared(sketch(one), sketch(other)) == pytest.approx(exact)
