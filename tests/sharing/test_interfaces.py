"""Lookup interfaces as an enterprise's program uses them, and the copy behind them as the lake moves."""

from __future__ import annotations

import time

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Refused
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.persons import add_person
from sanqu.lake import Commit, lake_of
from sanqu.sharing.interfaces import Interface, look_up, parse_key, switch_on
from sanqu.sharing.mirror import catch_up, state_of
from sanqu.sharing.views import view_of

from .conftest import OFFICER, OTHER, TOWN_OFFICER, Granting


def switched_on(city: City, dataset: str, **how: int) -> None:
    with city.db.connection() as conn:
        switch_on(conn, SYSTEM, dataset, lake_of(city).contract(dataset), Interface(**how))
    caught_up(city, dataset)


def caught_up(city: City, dataset: str) -> None:
    """Where the city is served, its own follower may be at it already: then that is waited for."""
    until = time.monotonic() + 10
    while dataset not in catch_up(city):
        newest = city.db.one("SELECT snapshot FROM lake_dataset WHERE name = %s", (dataset,))
        state = state_of(city, dataset)
        if newest and state and state["snapshot"] == newest["snapshot"]:
            return
        assert time.monotonic() < until, "the copy was not brought up"
        time.sleep(0.02)


def put(city: City, dataset: str, rows: str) -> None:
    with lake_of(city).engine() as duck:
        lake_of(city).upsert(dataset, rows, Commit("test"), duck=duck)


def found(city: City, asker: Asker, dataset: str, *keys: str, purpose: str = "relief") -> list[dict[str, object]]:
    view = view_of(city, asker, dataset, purpose)
    return look_up(city, view, [parse_key(view.law.contract, [key]) for key in keys])


def test_a_row_is_found_by_its_key_with_the_items_one_may_read(county: City, site_of_county: httpx.Client) -> None:
    switched_on(county, "shops")
    assert site_of_county.get("/api/share/shops/7").json() == {"no": 7, "town": "330802002", "turnover": 70.0}
    assert site_of_county.get("/api/share/shops/700").status_code == 404
    wrong = site_of_county.get("/api/share/shops/seven")
    assert wrong.status_code == 400 and "no" in wrong.json()["title"]
    assert site_of_county.get("/api/share/roads/7").status_code == 404


def test_a_batch_gives_the_rows_there_are(county: City, site_of_county: httpx.Client) -> None:
    switched_on(county, "shops")
    said = site_of_county.post("/api/share/shops", json={"keys": [1, "2", 999]}).json()
    assert (said["asked"], said["found"], sorted(row["no"] for row in said["rows"])) == (3, 2, [1, 2])


def test_a_lookup_obeys_rows_and_masks_like_every_other_read(county: City, grant: Granting) -> None:
    switched_on(county, "residents")
    grant(
        "residents",
        "unit:330802",
        id="plain",
        name="plain",
        town="plain",
        unit="*",
        masks={"name": [{"kind": "keep", "first": 1, "last": 0}]},
    )
    (seen,) = found(county, TOWN_OFFICER, "residents", "ID0003")
    assert seen["town"] == "330802001" and str(seen["name"]).startswith("p") and "person" not in str(seen["name"])
    assert found(county, TOWN_OFFICER, "residents", "ID0004") == []
    assert len(found(county, OFFICER, "residents", "ID0004")) == 1
    with pytest.raises(Refused):
        found(county, OTHER, "residents", "ID0003")


def test_the_copy_follows_what_is_changed_added_and_taken_away(county: City) -> None:
    switched_on(county, "shops")
    put(
        county,
        "shops",
        "SELECT 7 AS no, '330802001' AS town, 1.5 AS turnover, 'x' AS owner UNION ALL SELECT 100, '330802001', 2.5, 'y'",
    )
    with lake_of(county).engine() as duck:
        lake_of(county).delete("shops", "SELECT 8 AS no", Commit("test"), duck=duck)
    assert catch_up(county) == ["shops"]
    seen = {row["no"]: row["turnover"] for row in found(county, OFFICER, "shops", "7", "8", "100")}
    assert seen == {7: 1.5, 100: 2.5}
    state = state_of(county, "shops")
    assert state is not None and state["rows"] == 60


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["put", "take"]), st.integers(0, 12), st.integers(0, 9)), min_size=1, max_size=8))
def test_whatever_happens_to_the_dataset_the_copy_holds_the_same_rows(county: City, steps: list[tuple[str, int, int]]) -> None:
    switched_on(county, "shops")
    with lake_of(county).engine() as duck:
        for what, key, value in steps:
            if what == "put":
                lake_of(county).upsert(
                    "shops", f"SELECT {key} AS no, 't' AS town, {value} AS turnover, NULL AS owner", Commit("test"), duck=duck
                )
            else:
                lake_of(county).delete("shops", f"SELECT {key} AS no", Commit("test"), duck=duck)
            if value % 3 == 0:
                catch_up(county)
    catch_up(county)
    with lake_of(county).read("shops", ["no", "town", "turnover"], order="no") as reader:
        lake = [tuple(row.values()) for row in reader.read_all().to_pylist()]
    copy = [tuple(row.values()) for row in county.db.all("SELECT no, town, turnover FROM mirror.shops ORDER BY no")]
    assert copy == lake


def test_the_copy_is_brought_up_by_itself_within_a_second(county: City, site_of_county: httpx.Client) -> None:
    switched_on(county, "shops")
    assert site_of_county.get("/api/share/shops/7").json()["turnover"] == 70.0
    put(county, "shops", "SELECT 7 AS no, '330802001' AS town, 1.5 AS turnover, 'x' AS owner")
    until = time.monotonic() + 10
    while site_of_county.get("/api/share/shops/7").json()["turnover"] != 1.5:
        assert time.monotonic() < until, "the copy was not brought up"
        time.sleep(0.02)


def test_a_contract_that_gains_an_item_makes_the_copy_anew(county: City) -> None:
    switched_on(county, "shops")
    old = lake_of(county).contract("shops")
    said = old.descriptor()
    said["fields"] = [*said["fields"], {"name": "note"}]
    lake_of(county).declare(type(old).from_descriptor(said), "test")
    catch_up(county)
    assert found(county, OFFICER, "shops", "7")[0]["note"] is None


def test_a_steward_makes_the_interface_and_others_do_not(county: City, site_of_county: httpx.Client) -> None:
    with county.db.connection() as conn:
        steward = make_key(conn, SYSTEM, add_person(conn, SYSTEM, "tong", "童", [("steward", "tax")]), "k")
        officer = make_key(conn, SYSTEM, add_person(conn, SYSTEM, "li", "李", [("officer", "tax")]), "k")
    refused = site_of_county.put("/api/interfaces/shops", json={}, headers={"Authorization": officer})
    assert refused.status_code == 403
    made = site_of_county.put(
        "/api/interfaces/shops", json={"cache_seconds": 60, "per_minute": 2}, headers={"Authorization": steward}
    )
    assert made.status_code == 200, made.text
    caught_up(county, "shops")
    first = site_of_county.get("/api/share/shops/1")
    assert first.headers["cache-control"] == "public, max-age=60"
    site_of_county.get("/api/share/shops/2")
    assert site_of_county.get("/api/share/shops/3").status_code == 429
    described = site_of_county.get("/api/share/shops/openapi.json").json()
    assert (
        "owner"
        not in described["paths"]["/api/share/shops/{key}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"][
            "properties"
        ]
    )
    closed = site_of_county.delete("/api/interfaces/shops", headers={"Authorization": steward})
    assert closed.status_code == 204 and site_of_county.get("/api/share/shops/1").status_code == 404


def test_a_dataset_without_a_key_has_no_interface(county: City) -> None:
    contract = lake_of(county).contract("shops").model_copy(update={"primaryKey": ()})
    with county.db.connection() as conn, pytest.raises(BadInput, match="key"):
        switch_on(conn, SYSTEM, "shops", contract, Interface())
