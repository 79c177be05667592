"""What the tests of the lines share: contracts, small files, runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sanqu.ground.city import City
from sanqu.ground.people.askers import SYSTEM
from sanqu.lake import Contract, lake_of
from sanqu.lines.keeping import save_line
from sanqu.lines.records import Line, Run
from sanqu.lines.run import run_line

DATA = Path(__file__).parents[3] / "shared" / "data"

SHOPS = {
    "name": "shops",
    "title": {"zh": "商铺", "en": "Shops"},
    "steward": "330800",
    "primaryKey": ["id"],
    "missingValues": ["", "NA"],
    "fields": [
        {"name": "id", "type": "integer", "title": {"zh": "编号", "en": "Number"}},
        {"name": "name", "title": {"zh": "名称", "en": "Name"}, "constraints": {"required": True, "maxLength": 20}},
        {"name": "opened", "type": "date", "aliases": ["开业日期"]},
        {"name": "area", "type": "number", "constraints": {"minimum": 0}},
        {"name": "open", "type": "boolean"},
        {"name": "kind", "constraints": {"enum": ["shop", "stall", "market", "other"]}},
    ],
}
HEAD = "id,name,opened,area,open,kind\n"


def shared(name: str) -> Path:
    """A file of the trial data, or skip."""
    file = DATA / name
    if not file.exists():
        pytest.skip(f"../shared/data/{name} is not here")
    return file


@pytest.fixture
def load(city: City, tmp_path: Path) -> Callable[..., Run]:
    """Declares a contract, writes content to a file and runs a line over it."""

    def run(
        content: bytes | str | None = None,
        contract: dict[str, Any] | None = None,
        name: str = "data.csv",
        again: bool = False,
        **line: Any,
    ) -> Run:
        told = Contract.from_descriptor(contract or SHOPS)
        lake_of(city).declare(told, "test")
        source = line.pop("source", {})
        if content is not None:
            file = tmp_path / name
            file.write_bytes(content.encode() if isinstance(content, str) else content)
            source = {"kind": "file", "path": str(file), **source}
        mode = line.pop("mode", "upsert" if told.primaryKey else "append")
        save_line(city, Line.from_descriptor({"name": told.name, "dataset": told.name, "mode": mode, "source": source, **line}), SYSTEM)
        return run_line(city, told.name, again=again)

    return run


def rows(city: City, name: str = "shops", columns: str = "*") -> list[tuple[Any, ...]]:
    """Every row of a dataset, by its first column."""
    with lake_of(city).engine() as duck:
        return duck.execute(f'SELECT {columns} FROM lake.main."{name}" ORDER BY 1').fetchall()


def balanced(run: Run) -> bool:
    """Nothing lost: what was read is written, unchanged, collapsed or in quarantine."""
    return run.read == run.inserted + run.updated + run.unchanged + run.collapsed + run.quarantined
