"""The row API as a program uses it: filters, order, pages, counts, formats, and clear refusals."""

from __future__ import annotations

import contextlib
import csv
import io
import random
import time
from typing import Any

import httpx
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.ground.people.units import Unit, save_units
from sanqu.lake import Commit, Contract, lake_of
from sanqu.lake.hot import hot_copies_of
from sanqu.sharing.cache import answers_of
from sanqu.sharing.query import parse_rows_query
from tests.conftest import MakeCity, MakeMould, Mould

COUNTIES = ["柯城区", "衢江区", "龙游县"]


def orchards(**law: Any) -> Contract:
    return Contract.from_descriptor(
        {
            "name": "orchards",
            "title": {"zh": "柑橘园", "en": "Citrus orchards"},
            "steward": "3308",
            "primaryKey": ["id"],
            "fields": [
                {"name": "id", "type": "integer"},
                {"name": "county", "type": "string"},
                {"name": "area", "type": "number"},
                {"name": "planted", "type": "date"},
                {"name": "grower", "type": "string", "grade": "L3"},
            ],
        }
        | law
    )


@pytest.fixture(scope="module")
def planted(make_mould: MakeMould) -> Mould:
    return make_mould(plant)


@pytest.fixture
def city(make_city: MakeCity, planted: Mould) -> City:
    """A city with 250 orchards: areas repeat and some are unknown."""
    return make_city(planted)


@pytest.fixture
def grove(city: City) -> City:
    return city


def plant(city: City) -> None:
    with city.db.connection() as conn:
        save_units(conn, [Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou"))])
    register_contract(city, orchards(), "system", state="published")
    fill(city)


def fill(city: City, rows: int = 250) -> None:
    source = f"""
        SELECT i AS id, list_element(['柯城区', '衢江区', '龙游县'], 1 + (i % 3)::INT) AS county,
               CASE WHEN i % 10 = 0 THEN NULL ELSE (i % 7) * 1.5 END AS area,
               DATE '2000-01-01' + (i % 400)::INT AS planted, '=HYPERLINK(1)' AS grower
        FROM range({rows}) AS t(i)"""
    with lake_of(city).engine() as duck:
        lake_of(city).upsert("orchards", source, Commit("test"), duck=duck)


def pages(site: httpx.Client, url: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while url:
        answer = site.get(url)
        assert answer.status_code == 200, answer.text
        rows += answer.json()["rows"]
        url = answer.json()["next"]
    return rows


def test_filters_narrow_and_the_exact_count_says_to_how_many(grove: City, site: httpx.Client) -> None:
    answer = site.get("/api/open/orchards", params={"county": "柯城区", "area__gte": "3", "count": "exact", "limit": 5})
    said = answer.json()
    assert len(said["rows"]) == 5
    assert all(row["county"] == "柯城区" and row["area"] >= 3 for row in said["rows"])
    assert said["count"] == len([i for i in range(250) if i % 3 == 0 and i % 10 and (i % 7) * 1.5 >= 3])
    assert answer.headers["x-total-count"] == str(said["count"])


@pytest.mark.parametrize(
    ("query", "keeps"),
    [
        ("area__isnull=true", lambda i: i % 10 == 0),
        ("county__in=衢江区,龙游县", lambda i: i % 3),
        ("county__contains=江", lambda i: i % 3 == 1),
        ("county__startswith=龙", lambda i: i % 3 == 2),
        ("county__ne=柯城区", lambda i: i % 3),
        ("planted__lt=2000-01-11", lambda i: i % 400 < 10),
        ("id__gt=10&id__lte=20", lambda i: 10 < i <= 20),
    ],
)
def test_every_operator_keeps_what_it_says(grove: City, site: httpx.Client, query: str, keeps: Any) -> None:
    rows = pages(site, f"/api/open/orchards?{query}&limit=100")
    assert [row["id"] for row in rows] == [i for i in range(250) if keeps(i)]


@pytest.mark.parametrize("sort", ["", "area", "-area", "county,-area", "-planted,county"])
def test_paging_by_any_order_gives_every_row_once_and_in_order(grove: City, site: httpx.Client, sort: str) -> None:
    paged = pages(site, f"/api/open/orchards?limit=7&sort={sort}")
    whole = site.get("/api/open/orchards", params={"limit": 1000, "sort": sort}).json()["rows"]
    assert paged == whole
    assert sorted(row["id"] for row in paged) == list(range(250))


def test_pages_stay_on_one_snapshot_while_the_dataset_changes(grove: City, site: httpx.Client) -> None:
    first = site.get("/api/open/orchards?limit=200").json()
    fill(grove, rows=400)
    rest = pages(site, first["next"])
    assert len(first["rows"]) + len(rest) == 250


def test_a_write_is_seen_by_the_next_reader(grove: City, site: httpx.Client) -> None:
    assert site.get("/api/open/orchards?count=exact").json()["count"] == 250
    fill(grove, rows=400)
    time.sleep(0.3)
    assert site.get("/api/open/orchards?count=exact").json()["count"] == 400


def test_items_graded_l3_do_not_leave(grove: City, site: httpx.Client) -> None:
    assert "grower" not in site.get("/api/open/orchards?limit=1").json()["rows"][0]
    for query in ("items=grower", "grower=x", "sort=grower"):
        refused = site.get(f"/api/open/orchards?{query}")
        assert refused.status_code == 400
        assert "grower" in refused.json()["title"]


def test_csv_and_arrow_hold_the_same_rows(grove: City, site: httpx.Client) -> None:
    query = "/api/open/orchards?limit=50&items=id,county&format="
    from_csv = list(csv.DictReader(io.StringIO(site.get(query + "csv").text)))
    with pa.ipc.open_stream(site.get(query + "arrow").content) as reader:
        from_arrow = reader.read_all().to_pylist()
    assert [(int(row["id"]), row["county"]) for row in from_csv] == [(r["id"], r["county"]) for r in from_arrow]
    assert len(from_arrow) == 50


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=99999999", "limit"),
        ("nothing=1", "nothing"),
        ("area__like=1", "area__like"),
        ("sort=nothing", "sort"),
        ("items=id,nothing", "items"),
        ("after=broken", "after"),
        ("format=xml", "format"),
        ("area=much", "area"),
        ("area__contains=1", "area__contains"),
        ("planted=1' OR '1'='1", "planted"),
        ("county=a%00b", "county"),
        ("id__gt=99999999999999999999", "id__gt"),
        ("id=1.5", "id"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_by_name(grove: City, site: httpx.Client, query: str, named: str) -> None:
    refused = site.get(f"/api/open/orchards?{query}")
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["instance"] == named
    assert "SELECT" not in refused.text and "lake.main" not in refused.text


def test_sql_in_a_filter_is_only_text(grove: City, site: httpx.Client) -> None:
    answer = site.get("/api/open/orchards", params={"county": "x' OR 1=1; DROP TABLE lake.main.orchards; --"})
    assert answer.json()["rows"] == []
    assert site.get("/api/open/orchards?count=exact").json()["count"] == 250


def test_a_dataset_that_is_not_open_says_whom_to_ask(grove: City, site: httpx.Client) -> None:
    register_contract(grove, orchards(opening="restricted"), "system", state="published")
    refused = site.get("/api/open/orchards")
    assert refused.status_code == 403
    assert refused.json()["facts"]["steward"] == "3308"
    assert site.get("/api/open/there-is-none").status_code == 404


def test_too_many_requests_are_told_when_to_come_back(city: City, make_city: Any, serve: Any) -> None:
    slow = make_city()
    slow.settings = slow.settings.model_copy(update={"rate_per_minute": 3})
    with httpx.Client(base_url=serve(slow)) as client:
        codes = [client.get("/api/open/x").status_code for _ in range(4)]
        assert codes == [404, 404, 404, 429]
        assert int(client.get("/api/open/x").headers["retry-after"]) >= 1


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=4))
def test_no_parameters_whatever_break_the_parser(pairs: list[tuple[str, str]]) -> None:
    with contextlib.suppress(BadInput):
        query = parse_rows_query(pairs, orchards(), ("id", "county"))
        assert {wanted.item for wanted in query.filters} <= {"id", "county"}


def test_a_dataset_read_over_and_over_answers_the_same_from_its_copy(grove: City, site: httpx.Client) -> None:
    def ask(number: int) -> Any:
        return site.get(f"/api/open/orchards?id__gte={number}&sort=-area&limit=20&count=exact").json()

    cold = {number: ask(number) for number in range(40)}
    copies = hot_copies_of(grove)
    until = time.monotonic() + 20
    while copies.table(orchards(), cold[0]["snapshot"]) is None and time.monotonic() < until:
        ask(random.randrange(10**9))
        time.sleep(0.02)
    assert copies.table(orchards(), cold[0]["snapshot"]) is not None
    answers_of(grove).forget()
    assert {number: ask(number) for number in range(40)} == cold
