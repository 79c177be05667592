"""Finds and reads a city pack (城市包): units, subjects, contracts, lines, quality rules, matters, glossary; data, no code."""

from __future__ import annotations

import csv
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sanqu.ground.errors import BadInput, NotFound
from sanqu.ground.i18n import Text
from sanqu.ground.people.units import Unit

# A wheel carries the packs inside the package; a checkout has them at its root.
PLACES = (Path(__file__).parents[1] / "packs", Path(__file__).parents[3] / "cities")
LEVELS = ("city", "county", "town", "village")


@dataclass(frozen=True)
class CityPack:
    """What a city pack says; contracts and lines as descriptors, for the rooms that know them to read."""

    folder: Path
    about: dict[str, Any]
    units: tuple[Unit, ...]
    contracts: tuple[dict[str, Any], ...]
    lines: tuple[dict[str, Any], ...]
    rules: tuple[dict[str, Any], ...]
    matters: tuple[dict[str, Any], ...]
    indicators: tuple[dict[str, Any], ...]
    supervision: dict[str, Any]
    reporting: dict[str, Any]
    plan: dict[str, Any]
    affairs: dict[str, Any]
    decisions: dict[str, str]
    glossary: tuple[tuple[str, ...], ...]
    divisions: tuple[tuple[str, str, str, str], ...]

    @property
    def code(self) -> str:
        """The code of the city's own unit."""
        return str(self.about["code"])

    @property
    def version(self) -> int:
        """Raised when the pack changes."""
        return int(self.about["version"])

    @property
    def boundaries(self) -> Path | None:
        """The GeoJSON of its counties, where it was built."""
        file = self.folder / "built" / "boundaries.geojson"
        return file if file.is_file() else None


def find_pack(name: str) -> Path:
    """The folder of the city pack called `name`, or at that path; raises `NotFound` naming where it was sought."""
    for folder in (Path(name), *(place / name for place in PLACES)):
        if (folder / "city.toml").is_file():
            return folder.resolve()
    there = sorted({folder.parent.name for place in PLACES for folder in place.glob("*/city.toml")})
    raise NotFound(
        "packs.none",
        Text(zh="没有这个城市包", en="There is no such city pack"),
        Text(zh=f"可用：{'、'.join(there)}；或给出它的路径", en=f"There are: {', '.join(there)}; or give its path"),
        name,
    )


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise BadInput(
            "packs.unreadable",
            Text(zh=f"城市包的文件读不懂：{fault}", en=f"A file of the city pack cannot be read: {fault}"),
            Text(zh="改正这个文件", en="Mend this file"),
            str(file),
        ) from fault


def _divisions(file: Path) -> tuple[tuple[str, str, str, str], ...]:
    if not file.is_file():
        return ()
    with file.open(encoding="utf-8", newline="") as source:
        rows = [(row["code"], row["name"], row["level"], row["parent"]) for row in csv.DictReader(source)]
    return tuple(sorted(rows, key=lambda row: LEVELS.index(row[2])))


def _division_unit(row: tuple[str, str, str, str]) -> Unit:
    code, name, level, parent = row
    return Unit(code, parent or None, level, level, Text(zh=name, en=""))  # type: ignore[arg-type]


def _given_unit(said: dict[str, Any]) -> Unit:
    return Unit(
        str(said["code"]), said.get("parent"), said.get("kind", "department"), said.get("level", "city"),
        Text.model_validate(said["title"]), Text.model_validate(said.get("about", "")),
    )  # fmt: skip


def read_pack(folder: Path) -> CityPack:
    """The pack in `folder`; raises `BadInput` naming the file that cannot be read."""
    about = _toml(folder / "city.toml")
    divisions = _divisions(folder / "built" / "divisions.csv")
    given = _toml(folder / "units.toml").get("unit", []) if (folder / "units.toml").is_file() else []
    units = {unit.code: unit for unit in map(_division_unit, divisions)}
    units.setdefault(str(about["code"]), Unit(str(about["code"]), None, "city", "city", Text.model_validate(about["title"])))
    units |= {unit.code: unit for unit in map(_given_unit, given)}
    matters = _toml(folder / "matters.toml").get("matter", []) if (folder / "matters.toml").is_file() else []
    affairs = _toml(folder / "affairs.toml") if (folder / "affairs.toml").is_file() else {}
    indicators = _toml(folder / "indicators.toml").get("indicator", []) if (folder / "indicators.toml").is_file() else []
    glossary = _toml(folder / "glossary.toml").get("groups", []) if (folder / "glossary.toml").is_file() else []
    return CityPack(
        folder=folder,
        about=about,
        units=tuple(units.values()),
        contracts=tuple(_toml(file) for file in sorted((folder / "datasets").glob("*.toml"))),
        lines=tuple(_toml(file) for file in sorted((folder / "lines").glob("*.toml"))),
        rules=tuple(rule for file in sorted((folder / "rules").glob("*.toml")) for rule in _toml(file).get("rule", [])),
        matters=tuple(matters),
        reporting=_toml(folder / "reporting.toml") if (folder / "reporting.toml").is_file() else {},
        plan=_toml(folder / "plan.toml") if (folder / "plan.toml").is_file() else {},
        indicators=tuple(indicators),
        supervision=_toml(folder / "supervision.toml") if (folder / "supervision.toml").is_file() else {},
        affairs=affairs,
        decisions={file.stem: file.read_text("utf-8") for file in sorted((folder / "decisions").glob("*.dmn"))},
        glossary=tuple(tuple(group) for group in glossary),
        divisions=divisions,
    )
