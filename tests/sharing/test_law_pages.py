"""A steward's hour with the law over a dataset: what the values show, setting grades, granting, by page and interface."""

from __future__ import annotations

import httpx
import pytest

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.errors import Refused
from sanqu.ground.people.askers import PUBLIC, SYSTEM
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.persons import add_person
from sanqu.lake import Commit, Contract, lake_of
from sanqu.sharing.door import Question, ask
from sanqu.sharing.grading import findings_of, flagged, inspect, inspect_what_changed

VISITORS = """
SELECT i AS no, '1380000' || lpad(i::VARCHAR, 4, '0') AS contact, 'note ' || i AS note FROM range(100) t(i)
"""


@pytest.fixture
def steward(county: City) -> dict[str, str]:
    """The header with which the steward of the tax office asks."""
    with county.db.connection() as conn:
        return {"Authorization": make_key(conn, SYSTEM, add_person(conn, SYSTEM, "tong", "童", [("steward", "tax")]), "k")}


@pytest.fixture
def visitors(county: City) -> City:
    said = {"name": "visitors", "title": {"zh": "访客"}, "steward": "tax", "primaryKey": ["no"],
            "fields": [{"name": "no", "type": "integer"}, {"name": "contact"}, {"name": "note"}]}  # fmt: skip
    register_contract(county, Contract.from_descriptor(said), "system", state="published")
    with lake_of(county).engine() as duck:
        lake_of(county).upsert("visitors", VISITORS, Commit("test"), duck=duck)
    return county


def test_an_item_graded_lower_than_its_values_show_is_flagged(visitors: City) -> None:
    inspect_what_changed(visitors)
    low = flagged(lake_of(visitors).contract("visitors"), findings_of(visitors, "visitors"))
    assert {item: (one.kind, one.grade) for item, one in low.items()} == {"contact": ("mobile", "L3")}


def test_a_steward_sets_the_grade_and_the_next_read_goes_by_it(
    visitors: City, steward: dict[str, str], site_of_county: httpx.Client
) -> None:
    assert ask(visitors, PUBLIC, Question("SELECT contact FROM visitors")).table.num_rows == 100
    inspect(visitors, "visitors")
    told = site_of_county.get("/api/datasets/visitors/law", headers=steward).json()
    assert [one["item"] for one in told["findings"] if one["too_low"]] == ["contact"]
    rules = {"grade": "L1", "sharing": "unconditional", "opening": "unconditional", "items": {"contact": {"grade": "L3"}}}
    changed = site_of_county.put("/api/datasets/visitors/law", json=rules, headers=steward)
    assert changed.status_code == 200 and changed.json()["items"]["contact"]["grade"] == "L3"
    with pytest.raises(Refused, match="L3"):
        ask(visitors, PUBLIC, Question("SELECT contact FROM visitors"))
    assert not [one for one in changed.json()["findings"] if one["too_low"]]


def test_rules_that_contradict_each_other_are_refused(
    visitors: City, steward: dict[str, str], site_of_county: httpx.Client
) -> None:
    rules = {"grade": "L4", "sharing": "none", "opening": "unconditional"}
    refused = site_of_county.put("/api/datasets/visitors/law", json=rules, headers=steward)
    assert refused.status_code == 400 and "L4" in refused.text


def test_the_page_of_the_law_saves_grants_and_makes_the_interface(
    visitors: City, steward: dict[str, str], site_of_county: httpx.Client
) -> None:
    page = "/datasets/visitors/law"
    assert "contact" in site_of_county.get(page, headers=steward).text
    form = {
        "grade": "L1",
        "sharing": "conditional",
        "opening": "none",
        "least_group": "7",
        "grade.contact": "L3",
        "uses.contact": "join",
    }
    assert site_of_county.post(page, data=form, headers=steward).status_code == 303
    contract = lake_of(visitors).contract("visitors")
    assert (contract.least_group, contract.field("contact").uses, contract.opening) == (7, ("join",), "none")
    given = {"assignee": "user:11", "purposes": "relief，audit", "items": ["note"], "mask": "keep", "until": "2099-12-31"}
    assert site_of_county.post(f"{page}/grants", data=given, headers=steward).status_code == 303
    (granted,) = site_of_county.get("/api/grants?dataset=visitors", headers=steward).json()["grants"]
    assert granted["grant"]["purposes"] == ["relief", "audit"] and granted["grant"]["items"][0]["masks"][0]["kind"] == "keep"
    assert site_of_county.post(f"{page}/grants", data=given | {"assignee": "everyone"}, headers=steward).status_code == 400
    assert site_of_county.post(f"{page}/interface", data={"on": "true"}, headers=steward).status_code == 303
    assert site_of_county.post(f"{page}/grants/{granted['id']}/withdraw", headers=steward).status_code == 303
    assert "visitors" in site_of_county.get("/api/interfaces").text


def test_others_do_not_see_the_page_of_the_law(visitors: City, site_of_county: httpx.Client) -> None:
    with visitors.db.connection() as conn:
        other = {"Authorization": make_key(conn, SYSTEM, add_person(conn, SYSTEM, "li", "李", [("officer", "tax")]), "k")}
    assert site_of_county.get("/datasets/visitors/law", headers=other).status_code == 403
    assert site_of_county.get("/datasets/visitors/law").status_code == 401
