"""SDMX 3.0: sdmx1 reads the plan's structure and figures as any statistical office would; filters and refusals of the REST interface."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator

import httpx
import pytest
import sdmx  # type: ignore[import-untyped]

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.packs import find_pack, read_pack
from sanqu.ground.people.units import Unit, save_units
from sanqu.indicators.evaluate import evaluate
from sanqu.indicators.keeping import read_indicator, save_indicators
from sanqu.lake import Commit, Contract, lake_of
from sanqu.sharing.reading import hang_door
from tests.conftest import new_city

PACK = find_pack("quzhou")


@pytest.fixture(scope="module")
def planned(postgres: str, nats: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """A city with the goal table of the plan and its indicators, worked out."""
    hang_door()
    pack = read_pack(PACK)
    with new_city(postgres, nats, tmp_path_factory.mktemp("plan"), memory_limit="1GB") as city:
        with city.db.connection() as conn:
            save_units(conn, [Unit("3308", None, "city", "city", Text(zh="衢州")), *(one for one in pack.units if one.code == "3308-fgw")])
            save_indicators(conn, [read_indicator(said) for said in pack.indicators])
        contract = Contract.from_descriptor(next(one for one in pack.contracts if one["name"] == "plan-goals") | {"steward": "3308"})
        register_contract(city, contract, "test", state="published")
        columns = ", ".join(f'CAST("{item.name}" AS {item.lake_type}) AS "{item.name}"' for item in contract.fields)
        with lake_of(city).engine() as duck:
            lake_of(city).upsert("plan-goals", f"SELECT {columns} FROM read_csv('{PACK / 'data' / 'plan-goals.csv'}')", Commit("test"), duck=duck)
        evaluate(city)
        yield city


@pytest.fixture
def reader(planned: City, serve: Callable[[City], str]) -> Iterator[httpx.Client]:
    """A program that asks for statistics."""
    with httpx.Client(base_url=serve(planned), timeout=30) as client:
        yield client


def test_sdmx1_reads_the_structure_of_the_plan_and_then_its_figures(reader: httpx.Client) -> None:
    answer = reader.get("/api/sdmx/structure/dataflow/SANQU/INDICATORS/1.0.0", headers={"Accept": "application/vnd.sdmx.structure+xml;version=3.0.0"})
    assert answer.headers["content-type"].startswith("application/vnd.sdmx.structure+xml")
    message = sdmx.read_sdmx(io.BytesIO(answer.content))
    structure = message.structure["INDICATORS"]
    assert [one.id for one in structure.dimensions] == ["FREQ", "INDICATOR", "KIND", "TIME_PERIOD"]
    codes = message.codelist["INDICATOR"]
    assert len(codes) >= 15 and codes["g01"].name["zh"].startswith("数字经济") and "g01" in structure.dimensions.get("INDICATOR").local_representation.enumerated
    figures = sdmx.read_sdmx(io.BytesIO(reader.get("/api/sdmx/data/dataflow/SANQU/INDICATORS/1.0.0?format=csv").content), format="csv", structure=structure)
    read = {str(one.key): float(one.value) for one in figures.data[0].obs}
    # The goal table of the plan: 49.72 in 2019, and what was promised for 2022 and 2025.
    core = {key: value for key, value in read.items() if "INDICATOR=g01" in key}
    assert sorted(core.values())[:1] == [49.72] and {75.0, 125.0} <= set(core.values())
    assert len(read) == len(figures.data[0].obs) >= 45


def test_data_as_json_say_the_same_as_csv(reader: httpx.Client) -> None:
    said = json.loads(reader.get("/api/indicators/sdmx/data", headers={"Accept": "application/vnd.sdmx.data+json"}).content)
    (structure,), (held,) = said["data"]["structures"], said["data"]["dataSets"]
    dimensions = structure["dimensions"]["observation"]
    read = {tuple(dimensions[at]["values"][int(place)]["id"] for at, place in enumerate(key.split(":"))): one[0] for key, one in held["observations"].items()}
    lines = [line.split(",") for line in reader.get("/api/indicators/sdmx/data").text.splitlines()[1:]]
    assert read == {tuple(line[3:7]): float(line[7]) for line in lines}


def test_components_are_filtered_as_the_rest_interface_writes_it(reader: httpx.Client) -> None:
    def asked(query: str) -> list[list[str]]:
        return [line.split(",") for line in reader.get(f"/api/sdmx/data/dataflow/SANQU/INDICATORS/latest?{query}").text.splitlines()[1:]]

    assert {line[4] for line in asked("c[INDICATOR]=g01,g02")} == {"g01", "g02"}
    assert {line[5] for line in asked("c[KIND]=T&c[INDICATOR]=g01")} == {"T"}
    assert min(line[6] for line in asked("c[TIME_PERIOD]=ge:2022")) == "2022" and asked("c[INDICATOR]=none") == []


def test_what_is_not_there_is_said(reader: httpx.Client) -> None:
    assert reader.get("/api/sdmx/data/dataflow/ESTAT/INDICATORS/1.0.0").status_code == 404
    assert reader.get("/api/sdmx/structure/dataflow/SANQU/INDICATORS/9.9.9").status_code == 404
    assert reader.get("/api/indicators/sdmx/data?format=xml").status_code in (400, 422)
