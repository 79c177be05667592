"""What tests of scenes share: a small city, and scenes written into a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sanqu.ground.city import City
from sanqu.ground.facts import keep_fact
from sanqu.ground.i18n import Text
from sanqu.ground.people.units import Unit, save_units

if TYPE_CHECKING:
    from tests.scenes.hall import Hall

Write = Callable[..., Path]

ORCHARDS: dict[str, Any] = {
    "name": "grove-orchards", "title": {"zh": "果园", "en": "Orchards"},
    "schema": {
        "primaryKey": ["orchard"],
        "fields": [
            {"name": "orchard", "type": "string", "title": {"zh": "果园编号", "en": "orchard"}, "constraints": {"required": True}},
            {"name": "county", "type": "string", "title": {"zh": "县", "en": "county"}, "constraints": {"required": True}},
            {"name": "area", "type": "number", "unit": "亩", "title": {"zh": "面积", "en": "area"}, "constraints": {"minimum": 0}},
            {"name": "variety", "type": "string", "title": {"zh": "品种", "en": "variety"}, "constraints": {"enum": ["椪柑", "胡柚"]}},
        ],
    },
    "sanqu": {"grade": "L1", "sharing": "unconditional", "opening": "unconditional"},
}  # fmt: skip
FILES: dict[str, str] = {
    "scene.toml": 'name = "grove"\nversion = "1.0.0"\ntitle = { zh = "果园", en = "Grove" }\nsample = true\n',
    "samples/grove-orchards.csv": "orchard,county,area,variety\nA1,柯城区,10,椪柑\nA2,柯城区,30,胡柚\nA3,衢江区,5,椪柑\n",
    "models/by_county.sql": "-- title.zh: 各县果园\n-- title.en: Orchards by county\n-- refresh: table\n-- key: county\nSELECT county, count(*) AS orchards, sum(area) AS area FROM grove_orchards GROUP BY county\n",
    "models/large.sql": "SELECT * FROM by_county WHERE area > 20\n",
    "rules/rules.toml": '[[rule]]\nname = "small"\ntitle = { zh = "太小", en = "Too small" }\nsql = "SELECT orchard, area FROM grove_orchards WHERE area < 8"\nkey = ["orchard"]\nmessage = { zh = "{orchard} 只有 {area} 亩", en = "{orchard} has {area} mu" }\n',
    "tests/expect.toml": '[[expect]]\nname = "three orchards"\nsql = "SELECT count(*) FROM grove_orchards"\nvalue = 3\n\n[[expect]]\nname = "one is small"\nrule = "small"\nvalue = 1\n',
}  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the scene `grove`, with files changed or left out (None), and gives its folder."""

    def put(changed: Mapping[str, str | None] = {}, resources: list[dict[str, Any]] | None = None, name: str = "grove") -> Path:
        folder = tmp_path / "scenes" / name
        package = {"name": name, "resources": [ORCHARDS] if resources is None else resources}
        for file, text in ({**FILES, "datapackage.json": json.dumps(package, ensure_ascii=False, indent=1)} | dict(changed)).items():
            path = folder / file
            if text is None:
                path.unlink(missing_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        return folder

    return put


@pytest.fixture
def town(city: City) -> City:
    """A city with two counties and a department."""
    settle(city)
    return city


@pytest.fixture(scope="session")
def hall(postgres: str, nats: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    """The gallery of components, for all tests that only look at it."""
    from tests.scenes.hall import made_hall

    with made_hall(postgres, nats, tmp_path_factory.mktemp("hall")) as made:
        yield made


def settle(city: City) -> None:
    """Give a city its units."""
    units = [
        Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou")),
        *(Unit(code, "3308", "county", "county", Text(zh=title, en=title)) for code, title in (("330802", "柯城区"), ("330803", "衢江区"))),
        Unit("3308-nyj", "3308", "department", "city", Text(zh="农业农村局", en="Agriculture")),
    ]  # fmt: skip
    with city.db.connection() as conn:
        save_units(conn, units)
        keep_fact(conn, "city", {"code": "3308", "title": {"zh": "衢州", "en": "Quzhou"}, "home": [], "boundaries": ""})
