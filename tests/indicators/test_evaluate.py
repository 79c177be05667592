"""Indicators worked out from datasets through the door: with whence they came, revised and never overwritten, seen and exported."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pytest

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.packs import find_pack, read_pack
from sanqu.ground.people.units import Unit, save_units
from sanqu.indicators.evaluate import evaluate
from sanqu.indicators.keeping import figures_of, read_indicator, revisions_of, save_indicators
from sanqu.indicators.periods import Period
from sanqu.lake import Commit, Contract, lake_of
from tests.conftest import MakeCity, MakeMould, Mould

YEARLY = {
    "name": "yearly", "title": {"zh": "历年"}, "steward": "3308", "primaryKey": ["year"], "grade": "L1", "opening": "unconditional",
    "fields": [{"name": "year", "type": "year"}, {"name": "revenue", "type": "number"}, {"name": "profit", "type": "number"},
               {"name": "owner", "type": "string", "grade": "L3"}],
}  # fmt: skip
DEFINED: list[dict[str, Any]] = [
    {"code": "margin", "title": {"zh": "利润率", "en": "Margin"}, "unit": {"zh": "%", "en": "%"}, "share": True, "ways": [{"formula": "profit / revenue * 100"}]},
    {"code": "revenue", "title": {"zh": "收入", "en": "Revenue"}, "unit": {"zh": "亿元", "en": "100 million yuan"}, "group": {"zh": "产业", "en": "Industry"},
     "ways": [{"sql": "SELECT year AS period, revenue AS value FROM yearly"}],
     "aims": [{"period": "2025", "value": 420, "comparator": ">=", "source": {"zh": "规划", "en": "the plan"}}]},
    {"code": "profit", "title": {"zh": "利润", "en": "Profit"}, "unit": {"zh": "亿元", "en": "100 million yuan"}, "ways": [{"sql": "SELECT year AS period, profit AS value FROM yearly"}]},
]  # fmt: skip


def fill(city: City, rows: str) -> None:
    with lake_of(city).engine() as duck:
        lake_of(city).upsert("yearly", f"SELECT * FROM (VALUES {rows}) t(year, revenue, profit, owner)", Commit("test"), duck=duck)


def define(city: City, *more: dict[str, Any]) -> None:
    with city.db.connection() as conn:
        save_indicators(conn, map(read_indicator, [*DEFINED, *more]))


def measure(city: City) -> None:
    """Give an empty city three indicators over one dataset, worked out once."""
    with city.db.connection() as conn:
        save_units(conn, [Unit("3308", None, "city", "city", Text(zh="衢州"))])
    register_contract(city, Contract.from_descriptor(YEARLY), "test", state="published")
    fill(city, "(2019, 182.6, NULL, 'a'), (2021, 384.83, 21.29, 'b')")
    define(city)
    assert evaluate(city) == {}


@pytest.fixture(scope="module")
def measured_once(make_mould: MakeMould) -> Mould:
    return make_mould(measure)


@pytest.fixture
def city(make_city: MakeCity, measured_once: Mould) -> City:
    """What `site` shows the pages of as well."""
    return make_city(measured_once)


@pytest.fixture
def measured(city: City) -> City:
    return city


def values(city: City, code: str) -> dict[str, float]:
    return {str(period): round(one.value, 4) for period, one in figures_of(city, [code])[code].items()}


def test_a_formula_has_a_figure_where_all_that_it_names_have_one(measured: City) -> None:
    assert values(measured, "revenue") == {"2019": 182.6, "2021": 384.83}
    assert values(measured, "margin") == {"2021": 5.5323}


def test_each_figure_says_whence_it_came(measured: City) -> None:
    found = figures_of(measured, ["revenue", "margin"])
    basis = found["revenue"][Period("A", 2021)].basis
    assert basis["sql"].endswith("FROM yearly") and basis["snapshots"].keys() == {"yearly"} and basis["digest"]
    assert found["margin"][Period("A", 2021)].basis["of"]["profit"] == {"value": 21.29, "revision": 1}


def test_a_revised_figure_keeps_what_was_said_before_and_carries_on_into_formulas(measured: City) -> None:
    fill(measured, "(2021, 400.0, 20.0, 'b')")
    assert evaluate(measured) == {}
    assert values(measured, "margin") == {"2021": 5.0}
    told = [(one["revision"], one["value"]) for one in revisions_of(measured, "revenue")[Period("A", 2021)]]
    assert told == [(1, 384.83), (2, 400.0)]
    assert len(revisions_of(measured, "revenue")[Period("A", 2019)]) == 1
    integrate(measured)
    noted = [entry.facts for entry in read_entries(measured) if entry.subject == "indicator:revenue"]
    assert sorted(noted, key=str) == [{"periods": ["2019", "2021"]}, {"periods": ["2021"]}]


def test_working_out_again_changes_nothing(measured: City) -> None:
    before = revisions_of(measured, "revenue")
    evaluate(measured)
    assert revisions_of(measured, "revenue") == before


def test_a_figure_whose_ground_is_gone_is_taken_back_and_stays_in_the_history(measured: City) -> None:
    fill(measured, "(2021, 384.83, NULL, 'b')")
    evaluate(measured)
    assert values(measured, "profit") == {} and values(measured, "margin") == {}
    assert [one["value"] for one in revisions_of(measured, "profit")[Period("A", 2021)]] == [21.29, None]


def test_an_indicator_that_cannot_be_worked_out_is_named_and_the_others_go_on(measured: City) -> None:
    broken = [
        {"code": "hidden", "title": {"zh": "x"}, "unit": {"zh": "x"}, "ways": [{"sql": "SELECT year AS period, length(owner) AS value FROM yearly"}]},
        {"code": "twice", "title": {"zh": "x"}, "unit": {"zh": "x"}, "ways": [{"sql": "SELECT 2021 AS period, revenue AS value FROM yearly"}]},
        {"code": "columns", "title": {"zh": "x"}, "unit": {"zh": "x"}, "ways": [{"sql": "SELECT year, revenue AS value FROM yearly"}]},
        {"code": "when", "title": {"zh": "x"}, "unit": {"zh": "x"}, "ways": [{"sql": "SELECT revenue AS period, revenue AS value FROM yearly"}]},
    ]
    define(measured, *broken)
    assert evaluate(measured).keys() == {"hidden", "twice", "columns", "when"}
    assert values(measured, "revenue")


def test_a_definition_that_does_not_fit_names_the_indicator_and_the_part() -> None:
    with pytest.raises(BadInput, match="ways") as fault:
        read_indicator({"code": "x", "title": {"zh": "x"}, "unit": {"zh": "x"}, "ways": []})
    assert fault.value.thing == "x"


def test_the_monitor_lists_filters_and_exports(measured: City, site: httpx.Client) -> None:
    page = site.get("/indicators").text
    assert "利润率" in page and 'data-standing="on-track"' in page
    assert "利润率" not in site.get("/indicators", params={"group": "产业"}).text
    assert "没有符合的指标" in site.get("/indicators", params={"standing": "reached"}).text
    rows = list(csv.DictReader(io.StringIO(site.get("/indicators.csv").text.removeprefix("\ufeff"))))
    assert [(row["period"], row["value"], row["kind"], row["comparator"]) for row in rows if row["code"] == "revenue"] == [
        ("2019", "182.6", "actual", ""), ("2021", "384.83", "actual", ""), ("2025", "420.0", "target", ">="),
    ]  # fmt: skip


def test_one_indicator_shows_its_arithmetic_and_its_history(measured: City, site: httpx.Client) -> None:
    fill(measured, "(2021, 400.0, 20.0, 'b')")
    evaluate(measured)
    page = site.get("/indicators/margin").text
    assert "420.00" in site.get("/indicators/revenue").text
    assert "profit / revenue * 100" in page and "修订过 1 次" in page
    told = site.get("/api/indicators/margin").json()
    assert [one["value"] for one in told["figures"][0]["revisions"]] == [pytest.approx(5.5323, abs=1e-4), 5.0]
    assert site.get("/api/indicators/nothing").status_code == 404
    assert "Margin" in site.get("/indicators/margin", headers={"Accept-Language": "en"}).text


def test_the_pack_of_quzhou_defines_the_eighteen_goals_of_the_plan() -> None:
    found = [read_indicator(said) for said in read_pack(find_pack("quzhou")).indicators]
    assert [one.code for one in found if one.code.startswith("g") and one.code[1:].isdigit()] == [f"g{n:02}" for n in range(1, 19)]
