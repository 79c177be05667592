"""What a city pack says of supervision, kept: items, and where targets, credit and results are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.facts import keep_fact
from sanqu.ground.people.askers import SYSTEM
from sanqu.supervision.registers import read_supervision, save_items
from sanqu.supervision.results import results_contract


def keep_supervision(city: City, said: Mapping[str, Any]) -> None:
    """Keep the file supervision.toml of a city pack, and make its dataset of results; nothing where it has none. Raises `BadInput` naming what does not fit."""
    if not said:
        return
    pack = read_supervision(said)
    with city.db.connection() as conn:
        save_items(conn, pack.items)
        keep_fact(
            conn, "supervision",
            {"targets": pack.targets.model_dump(), "credit": pack.credit.model_dump() if pack.credit else None,
             "results": pack.results.dataset if pack.results else "", "sample": said.get("sample")},
        )  # fmt: skip
    if pack.results is not None:
        register_contract(city, results_contract(pack.results), SYSTEM.label)
