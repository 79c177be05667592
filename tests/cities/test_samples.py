"""Samples fit their contracts, are the same every time, lie inside the city, and know nobody."""

from __future__ import annotations

import time

import pyarrow as pa
import pytest

from sanqu.ground.packs import CityPack
from sanqu.lake.contracts import Contract
from sanqu.samples import GENERATORS, generate
from tests.cities.fits import faults
from tests.cities.geometry import county_at, read_counties

PEOPLE = {"residents", "marriages", "births", "social-insurance", "properties"}
ARROW = {
    "VARCHAR": pa.string(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(), "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"), "INTEGER": pa.int32(),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_a_sample_fits_its_contract(name: str, built_pack: CityPack, contracts: dict[str, Contract]) -> None:
    contract, table = contracts[name], generate(name, built_pack.divisions)
    assert {field.name: field.type for field in table.schema} == {item.name: ARROW[item.lake_type] for item in contract.fields}
    assert 100 <= table.num_rows <= 20_000
    assert faults(contract, table.to_pylist()) == []


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_a_sample_is_the_same_every_time_and_another_with_another_seed(name: str, built_pack: CityPack) -> None:
    first = generate(name, built_pack.divisions)
    assert generate(name, tuple(reversed(built_pack.divisions))).equals(first)
    assert not generate(name, built_pack.divisions, seed=1).equals(first)


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_without_divisions_a_sample_has_its_columns_and_no_rows(name: str, built_pack: CityPack) -> None:
    empty = generate(name, ())
    assert empty.num_rows == 0
    assert empty.schema == generate(name, built_pack.divisions).schema


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_links_of_a_sample_lead_somewhere(name: str, built_pack: CityPack, contracts: dict[str, Contract]) -> None:
    mine = generate(name, built_pack.divisions).to_pydict()
    for link in contracts[name].foreignKeys:
        (item,), (theirs,) = link.fields, link.reference_fields
        there = (
            {row[0] for row in built_pack.divisions}
            if link.dataset == "divisions"
            else set(generate(link.dataset, built_pack.divisions)[theirs].to_pylist())
        )
        assert set(mine[item]) <= there


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_every_point_lies_in_the_county_that_its_row_names(name: str, built_pack: CityPack) -> None:
    if built_pack.boundaries is None:
        pytest.skip("cities/quzhou/built/boundaries.geojson is not built")
    table = generate(name, built_pack.divisions)
    if "lon" not in table.schema.names:
        return
    polygons = read_counties(built_pack.boundaries)
    names = {name: code for code, name, level, _ in built_pack.divisions if level == "county"}
    for row in table.to_pylist()[:: max(1, table.num_rows // 300)]:
        assert county_at(polygons, row["lon"], row["lat"]) == names[row["county"]], row


def test_samples_of_people_are_personal_data_of_people_that_there_cannot_be(built_pack: CityPack, contracts: dict[str, Contract]) -> None:
    for name in PEOPLE:
        contract = contracts[name]
        assert contract.grade == "L3" and contract.opening == "none"
        ids = [item.name for item in contract.fields if item.name.endswith("_id") or item.name == "id_number"]
        for row in generate(name, built_pack.divisions).to_pylist():
            # No division begins with 99.
            assert all(row[item].startswith("99") for item in ids)


def test_no_item_names_a_person(contracts: dict[str, Contract]) -> None:
    personal = ("姓名", "身份证", "电话号码", "手机", "住址", "联系人", "车牌")
    for name in GENERATORS.keys() - PEOPLE:
        for item in contracts[name].fields:
            assert not any(word in item.title.zh for word in personal), f"{name}.{item.name}"


def test_all_samples_together_take_less_than_three_seconds(built_pack: CityPack) -> None:
    start = time.process_time()
    for name in GENERATORS:
        generate(name, built_pack.divisions)
    assert time.process_time() - start < 3


def test_trucks_are_as_many_as_the_report_counts(built_pack: CityPack) -> None:
    table = generate("muck-truck-points", built_pack.divisions)
    assert len(set(table["truck_id"].to_pylist())) == 433
    assert len(set(table["firm"].to_pylist())) == 37
