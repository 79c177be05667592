"""Divisions and boundaries are built as the city is."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from sanqu.ground.packs import CityPack
from tests.cities.geometry import Ring, area, county_at, read_counties

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def boundaries(pack: CityPack) -> dict[str, list[Ring]]:
    if pack.boundaries is None:
        pytest.skip("cities/quzhou/built/boundaries.geojson is not built")
    return read_counties(pack.boundaries)


def test_the_city_has_six_counties_a_hundred_towns_and_its_villages(built_pack: CityPack) -> None:
    assert Counter(level for _, _, level, _ in built_pack.divisions) == {"city": 1, "county": 6, "town": 100, "village": 1664}


def test_every_division_hangs_on_the_one_whose_code_begins_its_own(built_pack: CityPack) -> None:
    codes = {code for code, *_ in built_pack.divisions}
    for code, _, level, parent in built_pack.divisions:
        assert (level == "city") or (parent in codes and code.startswith(parent)), code


def test_divisions_are_those_of_the_public_list(built_pack: CityPack) -> None:
    file = SHARED / "quzhou_divisions.csv"
    if not file.is_file():
        pytest.skip("../shared/data/quzhou_divisions.csv is not here")
    with file.open(encoding="utf-8", newline="") as source:
        listed = {(row["code"], row["name"], row["level"]) for row in csv.DictReader(source)}
    assert {(code, name, level) for code, name, level, _ in built_pack.divisions} == listed


# Seats and sights, about where maps put them (WGS 84).
PLACES = {
    "柯城区 (水亭门)": (118.865, 28.970, "330802"), "衢江区 (樟潭)": (118.955, 28.980, "330803"), "常山县城": (118.511, 28.901, "330822"),
    "开化县城": (118.415, 29.137, "330824"), "龙游县城": (119.172, 29.028, "330825"), "江山市区": (118.627, 28.737, "330881"),
    "江郎山": (118.565, 28.530, "330881"), "杭州西湖": (120.143, 30.243, None),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_known_places_lie_in_their_county(place: str, boundaries: dict[str, list[Ring]]) -> None:
    lon, lat, county = PLACES[place]
    assert county_at(boundaries, lon, lat) == county


def test_boundaries_are_close_to_the_full_ones(boundaries: dict[str, list[Ring]]) -> None:
    file = SHARED / "quzhou_counties.geojson"
    if not file.is_file():
        pytest.skip("../shared/data/quzhou_counties.geojson is not here")
    full = read_counties(file)
    assert set(boundaries) == set(full)
    for code, rings in full.items():
        assert area(boundaries[code]) == pytest.approx(area(rings), rel=0.01), code


def test_counties_do_not_lie_over_each_other(boundaries: dict[str, list[Ring]]) -> None:
    for i in range(40):
        for j in range(40):
            lon, lat = 118.0 + i * 0.0345, 28.2 + j * 0.0345
            assert sum(county_at({code: rings}, lon, lat) is not None for code, rings in boundaries.items()) <= 1
