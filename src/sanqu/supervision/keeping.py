"""What a city pack says of supervision, kept: items, and where targets, credit and results are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.facts import keep_fact
from sanqu.supervision.registers import read_supervision, save_items


def keep_supervision(city: City, said: Mapping[str, Any]) -> None:
    """Keep the file supervision.toml of a city pack; nothing where it has none. Raises `BadInput` naming what does not fit."""
    if not said:
        return
    pack = read_supervision(said)
    with city.db.connection() as conn:
        save_items(conn, pack.items)
        keep_fact(
            conn, "supervision",
            {"targets": pack.targets.model_dump(), "credit": pack.credit.model_dump() if pack.credit else None, "results": pack.results},
        )  # fmt: skip
