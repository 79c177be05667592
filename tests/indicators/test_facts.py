"""What the two sources print beside table 1 stands as indicators of Quzhou: each figure from the sentence that the city pack keeps."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator

import httpx
import pytest

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.packs import find_pack, read_pack
from sanqu.ground.people.units import Unit, save_units
from sanqu.indicators.dataset import declare_plan_datasets, plan_to_lake
from sanqu.indicators.evaluate import evaluate
from sanqu.indicators.keeping import figures_of, read_indicator, save_indicators, targets_of
from sanqu.lake import Commit, Contract, lake_of
from sanqu.sharing.reading import hang_door
from tests.conftest import new_city

PACK = find_pack("quzhou")
# The fact of each figure, and of its target, where one is printed.
TOLD = {
    "digital_economy_share": (None, "f147"), "digital_economy_scale": (None, "f065"), "core_revenue_of_province": ("f143", None), "core_patents": ("f146", None),
    "numerical_control": ("f089", None), "digital_enterprises": ("f022", None), "digital_talent": ("f110", "f269"), "open_datasets": ("f137", None), "open_items": ("f138", None),
}  # fmt: skip


@pytest.fixture(scope="module")
def told(postgres: str, nats: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """A city with what the pack prints of facts and of open data, worked out."""
    hang_door()
    pack = read_pack(PACK)
    with new_city(postgres, nats, tmp_path_factory.mktemp("facts"), memory_limit="1GB") as city:
        with city.db.connection() as conn:
            save_units(conn, [Unit("3308", None, "city", "city", Text(zh="衢州")), *(one for one in pack.units if one.parent == "3308")])
            save_indicators(conn, [one for one in map(read_indicator, pack.indicators) if one.code in TOLD])
        for name in ("facts", "open-data-figures"):
            contract = Contract.from_descriptor(next(one for one in pack.contracts if one["name"] == name))
            register_contract(city, contract, "test", state="published")
            columns = ", ".join(f'CAST("{item.name}" AS {item.lake_type}) AS "{item.name}"' for item in contract.fields)
            with lake_of(city).engine() as duck:
                lake_of(city).upsert(name, f"SELECT {columns} FROM read_csv('{PACK / 'data' / name}.csv', all_varchar = true)", Commit("test"), duck=duck)
        assert evaluate(city) == {}
        yield city


def test_every_figure_and_target_is_the_one_that_the_sentence_prints(told: City) -> None:
    with (PACK / "data" / "facts.csv").open(encoding="utf-8", newline="") as file:
        printed = {row["fact_id"]: row for row in csv.DictReader(file)}
    figures, targets = figures_of(told, list(TOLD)), targets_of(told, list(TOLD))
    for code, (figure, target) in TOLD.items():
        assert [one.value for one in figures[code].values()] == ([] if figure is None else [float(printed[figure]["value"])]), code
        if target is not None:
            assert [(one.value, one.comparator) for one in targets[code].values()] == [(float(printed[target]["value"]), printed[target]["comparator"])], code
    # Worked out from the yearly targets: 755 + 5 × 150 and 4542 + 5 × 500.
    assert [one.value for code in ("open_datasets", "open_items") for one in targets[code].values()] == [1505, 7042]


def test_a_target_without_any_figure_is_shown_and_kept_for_scenes(told: City, serve: Callable[[City], str]) -> None:
    declare_plan_datasets(told, "3308-dsj")
    assert plan_to_lake(told)["indicator-standing"] == len(TOLD)
    with httpx.Client(base_url=serve(told), timeout=30) as site:
        page = site.get("/indicators/digital_economy_share")
        assert page.status_code == 200 and "还没有可比的数" in page.text and "60" in page.text
        assert "digital_economy_share" in site.get("/indicators?lang=en").text
        # A year that no sentence names is said to be inferred.
        assert "原文未注年份" in site.get("/indicators/digital_talent").text
