"""The real figures fit their contracts, their sources, and each other."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from sanqu.ground.packs import CityPack
from sanqu.lake.contracts import Contract
from tests.cities.conftest import QUZHOU
from tests.cities.fits import faults, typed

SHARED = Path(__file__).parents[3] / "shared"
Rows = Callable[[str], list[dict[str, str]]]


@pytest.mark.parametrize("name", sorted(file.stem for file in (QUZHOU / "data").glob("*.csv")))
def test_every_row_fits_its_contract(name: str, contracts: dict[str, Contract], rows_of: Rows) -> None:
    assert faults(contracts[name], typed(contracts[name], rows_of(name))) == []


@pytest.mark.parametrize("name", sorted(file.stem for file in (QUZHOU / "data").glob("*.csv")))
def test_every_row_names_its_source(name: str, rows_of: Rows) -> None:
    for row in rows_of(name):
        if name == "source-disagreements":
            assert row["sections"]
        else:
            assert row["source"] in ("article", "plan") and row["section"] and row["quote"]


def test_divisions_fit_their_contract(built_pack: CityPack, contracts: dict[str, Contract]) -> None:
    with (built_pack.folder / "built" / "divisions.csv").open(encoding="utf-8", newline="") as source:
        assert faults(contracts["divisions"], typed(contracts["divisions"], csv.DictReader(source))) == []


def test_all_277_figures_are_there_with_steady_numbers(rows_of: Rows) -> None:
    rows = rows_of("facts")
    assert [row["fact_id"] for row in rows] == [f"f{number:03}" for number in range(1, 278)]


def test_figures_are_as_gathered(rows_of: Rows) -> None:
    file = SHARED / "facts.csv"
    if not file.is_file():
        pytest.skip("../shared/facts.csv is not here")
    with file.open(encoding="utf-8", newline="") as source:
        gathered = list(csv.DictReader(source))
    kept = [{key: row[key] for key in gathered[0]} for row in rows_of("facts")]
    assert kept == gathered


def test_quotations_of_the_plan_stand_in_the_plan(rows_of: Rows) -> None:
    files = sorted((SHARED / "seeds").glob("002_*.txt"))
    if not files:
        pytest.skip("the text of the plan is not here")
    plan = "".join(files[0].read_text("utf-8").split())
    for name in ("project-measures", "key-projects", "plan-goals"):
        for row in rows_of(name):
            assert "".join(row["quote"].split()) in plan, row["quote"]


def test_eighteen_goals_rise_from_2019_over_2022_to_2025(rows_of: Rows) -> None:
    goals: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows_of("plan-goals"):
        goals[row["goal_id"]][int(row["year"])] = float(row["value"])
    assert len(goals) == 18
    for years in goals.values():
        assert years[2019] < years[2022] < years[2025]


def test_goals_agree_with_the_figures_of_table_1(rows_of: Rows) -> None:
    table = {(r["metric_zh"].replace(" ", ""), r["period"]): float(r["value"]) for r in rows_of("facts") if r["section"] == "表1"}
    goals = {(row["indicator_zh"], row["year"]): float(row["value"]) for row in rows_of("plan-goals")}
    assert goals == table


def test_parts_of_revenue_add_to_the_total_of_2019(rows_of: Rows) -> None:
    goals = {(row["indicator_zh"], row["year"]): float(row["value"]) for row in rows_of("plan-goals")}
    total = next(float(r["revenue"]) for r in rows_of("digital-core-yearly") if (r["year"], r["scope"]) == ("2019", "above-scale"))
    parts = goals["规上电子信息制造业主营业务收入", "2019"] + goals["数字经济服务业主营业务收入", "2019"]
    assert parts == pytest.approx(total) == pytest.approx(182.6)


def test_scopes_of_value_added_are_not_joined(rows_of: Rows) -> None:
    main = [row for row in rows_of("digital-core-yearly") if row["standing"] == "main"]
    assert {row["year"]: row["value_added"] for row in main if row["scope"] == "above-scale"} == {"2017": "40.5", "2019": "", "2021": "77.84"}
    assert [row["value_added"] for row in main if row["scope"] == "whole-city"] == ["49.72"]


def test_the_box_agrees_with_the_series_and_the_running_text(rows_of: Rows) -> None:
    box = {row["figure_id"]: float(row["value"]) for row in rows_of("digital-core-2021")}
    for row in rows_of("digital-core-yearly"):
        if row["year"] == "2021":
            digits = len(row["revenue"].partition(".")[2])
            assert round(box["b1"], digits) == float(row["revenue"])
            assert round(box["b2"], digits) == float(row["value_added"])


def test_open_data_figures_and_what_is_computed_from_them(rows_of: Rows) -> None:
    rows = {row["figure_id"]: row for row in rows_of("open-data-figures")}
    assert (rows["d1"]["value"], rows["d2"]["value"], rows["d3"]["value"]) == ("755", "4542", "8.5")
    assert float(rows["d8"]["value"]) == 755 + 5 * float(rows["d6"]["value"])
    assert float(rows["d9"]["value"]) == 4542 + 5 * float(rows["d7"]["value"])
    assert {row["kind"] for row in rows.values() if "computed" in row["note_en"].lower()} == {"computed"}


def test_projects_targets_and_measures_belong_together(rows_of: Rows) -> None:
    targets, measures = rows_of("key-projects"), rows_of("project-measures")
    assert len(targets) == 29 and len(measures) == 41
    assert {row["project_id"] for row in targets} == {row["project_id"] for row in measures}
    for row in targets:
        mine = [measure for measure in measures if measure["project_id"] == row["project_id"]]
        assert [int(measure["measure"]) for measure in mine] == list(range(1, int(row["measures"]) + 1))
        assert {measure["responsible"] for measure in mine} == {row["responsible"]}


def test_disagreements_are_told_in_both_languages(rows_of: Rows) -> None:
    rows = rows_of("source-disagreements")
    assert [row["entry_id"] for row in rows] == [f"{kind}{n}" for kind, most in (("D", 13), ("W", 14), ("A", 7)) for n in range(1, most + 1)]
    assert all(value for row in rows for value in row.values())
