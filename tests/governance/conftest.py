"""A small county with outlines, grids, departments, people and the catalogue of matters."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from shapely.geometry import box

from sanqu.cases.work import complete_task, tasks_for
from sanqu.governance.grids import save_areas
from sanqu.governance.matters import read_matter, save_matters
from sanqu.governance.processes import declare_processes
from sanqu.governance.records import Event
from sanqu.governance.report import NewEvent, report_event
from sanqu.ground.city import City
from sanqu.ground.facts import keep_fact
from sanqu.ground.i18n import Text
from sanqu.ground.packs import read_pack
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.persons import add_person, asker_for
from sanqu.ground.people.units import Unit, save_units
from sanqu.sharing.reading import hang_door
from tests.conftest import new_city

QUZHOU = Path(__file__).parents[2] / "cities" / "quzhou"
# Two counties side by side, each a tenth of a degree; the left one has two towns, the first of them a village of two grids.
SHAPES = {
    "330802": (118.80, 28.90, 118.90, 29.00), "330803": (118.90, 28.90, 119.00, 29.00), "330802001": (118.80, 28.90, 118.85, 29.00),
    "330802002": (118.85, 28.90, 118.90, 29.00), "330802001001": (118.80, 28.90, 118.85, 28.95),
    "330802001001-g1": (118.80, 28.90, 118.825, 28.95), "330802001001-g2": (118.825, 28.90, 118.85, 28.95),
}  # fmt: skip
# In the first grid; in the second town, of which no village is known.
HERE, THERE = (118.81, 28.92), (118.87, 28.93)


def picture(lon: float | None = None, lat: float | None = None) -> bytes:
    """A small photo, taken at a place where one is given."""
    image, out = Image.new("RGB", (32, 24), (90, 120, 60)), io.BytesIO()
    exif = Image.Exif()
    if lon is not None and lat is not None:
        exif[0x8825] = {1: "N", 2: (lat, 0.0, 0.0), 3: "E", 4: (lon, 0.0, 0.0)}
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


EMPTIED = """
TRUNCATE governance_event, governance_household, governance_household_text, governance_special, governance_visit,
    governance_vote, governance_voter, governance_ballot, governance_notice, governance_member,
    case_file, case_case, case_task, case_step, case_comment, case_notice CASCADE
"""


@dataclass(frozen=True)
class County:
    """The city and who is who in it."""

    city: City
    worker: Asker
    other_worker: Asker
    town: Asker
    other_town: Asker
    roads: Asker
    police: Asker
    above: Asker
    wang: Asker
    li: Asker
    admin: Asker

    def report(self, asker: Asker | None = None, matter: str = "road", at: Any = None, **said: Any) -> Event:
        """An event at HERE, reported by Wang."""
        source = said.pop("source", "resident")
        lon, lat = said.pop("point", HERE)
        new = NewEvent(matter=matter, text=said.pop("text", "村口路面有个大坑"), lon=lon, lat=lat, **said)
        return report_event(self.city, asker or self.wang, new, source, at=at).event

    def act(self, asker: Asker, event: Event, name: str, at: Any = None, **result: Any) -> None:
        """Do the open task `name` of an event."""
        found = [task for task in tasks_for(self.city, asker, limit=500)[0] if task.case == event.number and task.name == name]
        assert found, f"{name} of {event.number} does not wait for {asker.name}"
        complete_task(self.city, asker, found[0].id, result, at=at)

    def settle(self, event: Event) -> None:
        """Accept, handle and verify a broken road in the first grid."""
        self.act(self.town, event, "accept", decision="accept")
        self.act(self.roads, event, "handle", result="done", answer="已修补")
        self.act(self.worker, event, "verify", verdict="solved")


def furnish(city: City) -> County:
    """Lay the county out in an empty city."""
    units = [
        Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou")),
        Unit("3308-gaj", "3308", "department", "city", Text(zh="衢州市公安局", en="Public security")),
        Unit("330802", "3308", "county", "county", Text(zh="柯城区", en="Kecheng")),
        Unit("330802-jtj", "330802", "department", "county", Text(zh="柯城区交通局", en="Transport of Kecheng")),
        Unit("330803", "3308", "county", "county", Text(zh="衢江区", en="Qujiang")),
        Unit("330802001", "330802", "town", "town", Text(zh="新新街道", en="Xinxin")),
        Unit("330802002", "330802", "town", "town", Text(zh="府山街道", en="Fushan")),
        Unit("330802001001", "330802001", "village", "village", Text(zh="坊门街社区", en="Fangmenjie")),
        Unit("330802001001-g1", "330802001001", "grid", "grid", Text(zh="第一网格", en="Grid 1")),
        Unit("330802001001-g2", "330802001001", "grid", "grid", Text(zh="第二网格", en="Grid 2")),
    ]
    named = {unit.code: unit for unit in units}
    with city.db.connection() as conn:
        save_units(conn, units)
        save_areas(conn, [(named[code], box(*shape)) for code, shape in SHAPES.items()])
        save_matters(conn, map(read_matter, read_pack(QUZHOU).matters))
        keep_fact(conn, "governance.areas", 1)
        keep_fact(conn, "city", {"code": "3308", "title": {"zh": "衢州", "en": "Quzhou"}, "home": [], "boundaries": ""})

        def person(login: str, *roles: tuple[Any, str]) -> Asker:
            found = asker_for(conn, add_person(conn, SYSTEM, login, login, list(roles)))
            assert found is not None
            return found

        who = {
            "worker": person("worker", ("officer", "330802001001-g1")), "other_worker": person("other", ("officer", "330802001001-g2")),
            "town": person("town", ("officer", "330802001")), "other_town": person("fushan", ("officer", "330802002")),
            "roads": person("roads", ("officer", "330802-jtj")), "police": person("police", ("officer", "3308-gaj")),
            "above": person("above", ("steward", "330802")), "wang": person("wang"), "li": person("li"), "admin": person("boss", ("admin", "3308")),
        }  # fmt: skip
    declare_processes(city)
    return County(city, **who)


@pytest.fixture(scope="module")
def furnished(postgres: str, nats: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[County]:
    """One county for a file of tests."""
    hang_door()
    with new_city(postgres, nats, tmp_path_factory.mktemp("county")) as city:
        yield furnish(city)


@pytest.fixture
def county(furnished: County) -> County:
    """The county before anything happened."""
    with furnished.city.db.connection() as conn:
        conn.execute(EMPTIED)
    return furnished
