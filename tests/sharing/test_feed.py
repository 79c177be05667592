"""The change feed: what changed, as its reader may see it, at once and again from where one stopped."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Refused
from sanqu.ground.people.askers import PUBLIC
from sanqu.lake import Commit, lake_of
from sanqu.sharing.feed import Changed, read_feed
from tests.sharing.conftest import OFFICER, TOWN_OFFICER, Granting

SHOP = "SELECT {no}::BIGINT AS no, '330802001' AS town, {turnover}::DOUBLE AS turnover, 'ID0003' AS owner"
ROAD = "SELECT {no}::BIGINT AS no, '{town}' AS town, 5.0::DOUBLE AS metres, 'p' AS plan"


def write(city: City, name: str, rows: str) -> int:
    with lake_of(city).engine() as duck:
        return lake_of(city).upsert(name, rows, Commit("test"), duck=duck).snapshot


def take_out(city: City, name: str, no: int) -> int:
    with lake_of(city).engine() as duck:
        return lake_of(city).delete(name, f"SELECT {no}::BIGINT AS no", Commit("test"), duck=duck).snapshot


def test_the_public_sees_the_open_items_of_what_changed(county: City) -> None:
    start = read_feed(county, PUBLIC, "shops", None).snapshot
    write(county, "shops", SHOP.format(no=1, turnover=99))
    write(county, "shops", SHOP.format(no=1, turnover=100))
    feed = read_feed(county, PUBLIC, "shops", start, upto=take_out(county, "shops", 2))
    assert feed.changes == (Changed("put", {"no": 1, "town": "330802001", "turnover": 100.0}), Changed("drop", {"no": 2}))
    assert read_feed(county, PUBLIC, "shops", feed.snapshot).changes == ()


def test_a_row_that_came_and_went_is_not_told_but_its_going(county: City) -> None:
    start = read_feed(county, PUBLIC, "shops", None).snapshot
    write(county, "shops", SHOP.format(no=900, turnover=1))
    gone = take_out(county, "shops", 900)
    assert read_feed(county, PUBLIC, "shops", start, upto=gone).changes == (Changed("drop", {"no": 900}),)


def test_an_officer_sees_the_rows_of_the_own_town_and_is_told_when_one_leaves_it(county: City) -> None:
    start = read_feed(county, TOWN_OFFICER, "roads", None).snapshot
    write(county, "roads", ROAD.format(no=500, town="330802001"))
    last = write(county, "roads", ROAD.format(no=501, town="330803001"))
    feed = read_feed(county, TOWN_OFFICER, "roads", start, upto=last)
    assert [one.row["no"] for one in feed.changes] == [500]
    assert "plan" not in feed.changes[0].row
    left = write(county, "roads", ROAD.format(no=500, town="330803001"))
    assert read_feed(county, TOWN_OFFICER, "roads", feed.snapshot, upto=left).changes == (Changed("drop", {"no": 500}),)


def test_a_mask_of_a_grant_masks_what_changed(county: City, grant: Granting) -> None:
    grant("residents", "user:11", name="plain", masks={"name": [{"kind": "keep", "first": 1}]})
    start = read_feed(county, OFFICER, "residents", None, purpose="relief").snapshot
    last = write(county, "residents", "SELECT 'ID0003' AS id, 'person new' AS name, '330802001' AS town, 30::BIGINT AS age, 1.0 AS income, 'd' AS diagnosis")
    (changed,) = read_feed(county, OFFICER, "residents", start, purpose="relief", upto=last).changes
    assert changed.row["name"].startswith("p") and "person" not in changed.row["name"]
    with pytest.raises(Refused):
        read_feed(county, OFFICER, "residents", start, purpose="sport", items=["name"])


def test_an_item_that_may_not_be_read_is_named(county: City) -> None:
    with pytest.raises((BadInput, Refused)) as caught:
        read_feed(county, PUBLIC, "shops", None, items=["owner"])
    assert "owner" in str(caught.value)


def test_what_is_no_longer_kept_says_so(county: City) -> None:
    old = write(county, "shops", SHOP.format(no=1, turnover=1))
    for turnover in range(2, 5):
        write(county, "shops", SHOP.format(no=1, turnover=turnover))
    lake_of(county).maintain(keep_days=0)
    with pytest.raises(BadInput) as caught:
        read_feed(county, PUBLIC, "shops", old - 1)
    assert (caught.value.status, caught.value.code) == (410, "feed.expired")


def events(answer: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("data: "):
            yield kind, json.loads(line[6:])


def test_changes_are_told_as_they_happen_and_after_a_break_from_the_last_one_seen(county: City, site_of_county: httpx.Client) -> None:
    with site_of_county.stream("GET", "/api/feed/shops") as answer:
        told = events(answer)
        assert next(told)[0] == "begin"
        threading.Timer(0.3, write, (county, "shops", SHOP.format(no=1, turnover=7))).start()
        kind, data = next(told)
        assert (kind, data["op"], data["row"]["turnover"]) == ("change", "put", 7.0)
    seen = read_feed(county, PUBLIC, "shops", None).snapshot
    write(county, "shops", SHOP.format(no=2, turnover=8))
    with site_of_county.stream("GET", "/api/feed/shops", headers={"Last-Event-ID": str(seen)}) as answer:
        told = events(answer)
        next(told)
        assert next(told)[1]["row"]["no"] == 2


def test_who_may_not_know_of_a_dataset_is_told_there_is_none(site_of_county: httpx.Client) -> None:
    assert site_of_county.get("/api/feed/residents/changes").status_code in (403, 404)
    assert site_of_county.get("/api/feed/nothing/changes").status_code == 404
    first = site_of_county.get("/api/feed/shops/changes").json()
    assert first["changes"] == [] and first["snapshot"] > 0
