"""The pack of Quzhou, read once."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from sanqu.ground.packs import CityPack, read_pack
from sanqu.lake.contracts import Contract

QUZHOU = Path(__file__).parents[2] / "cities" / "quzhou"


@pytest.fixture(scope="session")
def pack() -> CityPack:
    """The pack; the tests that need its divisions skip where they are not built."""
    return read_pack(QUZHOU)


@pytest.fixture(scope="session")
def built_pack(pack: CityPack) -> CityPack:
    """The pack with its divisions."""
    if not pack.divisions:
        pytest.skip("cities/quzhou/built/divisions.csv is not built")
    return pack


@pytest.fixture(scope="session")
def contracts(pack: CityPack) -> dict[str, Contract]:
    """Its contracts by name."""
    return {contract.name: contract for contract in map(Contract.from_descriptor, pack.contracts)}


@pytest.fixture(scope="session")
def rows_of(pack: CityPack) -> Callable[[str], list[dict[str, str]]]:
    """Reads the rows of a file under `data/`."""

    def read(name: str) -> list[dict[str, str]]:
        with (pack.folder / "data" / f"{name}.csv").open(encoding="utf-8", newline="") as source:
            return list(csv.DictReader(source))

    return read
