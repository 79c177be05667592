"""A city with units, people and keys, the catalogue's routers served over HTTP, and the standards' files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from sanqu.catalog.keeping import fresh, load_subjects, write
from sanqu.catalog.records import Dataset, Subject
from sanqu.ground.city import City
from sanqu.ground.http import answer_errors
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM, Asker, Role
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.persons import add_person
from sanqu.ground.people.units import Unit, save_units

SHARED = Path(__file__).resolve().parents[3] / "shared"

UNITS = [
    Unit("3308", None, "city", "city", Text(zh="衢州市", en="Quzhou")),
    Unit("330802", "3308", "county", "county", Text(zh="柯城区", en="Kecheng")),
    Unit("3308-agri", "3308", "department", "city", Text(zh="市农业农村局", en="Agriculture Bureau")),
    Unit("330802-agri", "330802", "department", "county", Text(zh="柯城区农业农村局", en="Kecheng Agriculture")),
    Unit("3308-traffic", "3308", "department", "city", Text(zh="市交通运输局", en="Transport Bureau")),
]
SUBJECTS = [
    Subject("agriculture", Text(zh="农业农村", en="Agriculture"), theme="AGRI", position=1),
    Subject("traffic", Text(zh="交通出行", en="Transport"), theme="TRAN", position=2),
]
GLOSSARY = [["柑橘", "柑", "citrus", "椪柑"], ["空气质量", "air quality"]]


@dataclass(frozen=True)
class People:
    """Askers of each kind."""

    admin: Asker
    steward: Asker
    county_steward: Asker
    traffic_steward: Asker
    officer: Asker


def role(name: str, unit: str, path: str) -> tuple[Role, ...]:
    return (Role(name, unit, path),)


PEOPLE = People(
    admin=Asker("a", 1, None, role("admin", "3308", "/3308/")),
    steward=Asker("s", 2, None, role("steward", "3308-agri", "/3308/3308-agri/")),
    county_steward=Asker("c", 3, None, role("steward", "330802", "/3308/330802/")),
    traffic_steward=Asker("t", 4, None, role("steward", "3308-traffic", "/3308/3308-traffic/")),
    officer=Asker("o", 5, None, role("officer", "330802-agri", "/3308/330802/330802-agri/")),
)


@pytest.fixture
def town(city: City) -> City:
    """A city with units, subjects and a glossary."""
    from sanqu.catalog.glossary import use_glossary

    with city.db.connection() as conn:
        save_units(conn, UNITS)
    load_subjects(city, SUBJECTS, "test")
    use_glossary(city, GLOSSARY)
    return city


Put = Callable[..., Dataset]


@pytest.fixture
def put(town: City) -> Put:
    """Writes a published, open dataset (keywords override)."""

    def write_one(name: str, zh: str, en: str = "", unit: str = "3308-agri", **more: object) -> Dataset:
        wish = {"state": "published", "opening": "unconditional", "sharing": "unconditional", "about": Text(zh=f"{zh}的说明", en="About it")}
        with town.db.connection() as conn:
            return write(conn, [fresh(name, Text(zh=zh, en=en), unit, **(wish | more))], "test")[0]

    return write_one


@dataclass(frozen=True)
class Served:
    """A running server: its address and a key of an administrator."""

    url: str
    key: str
    officer_key: str


def serve(app: FastAPI) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def app(town: City) -> FastAPI:
    """The catalogue's routers as one application."""
    from sanqu.catalog.api import routers

    made = FastAPI()
    made.state.city = town
    answer_errors(made)
    for router in routers():
        made.include_router(router)
    return made


@pytest.fixture
def served(town: City, app: FastAPI) -> Iterator[Served]:
    """The application on a free port, with keys."""
    with town.db.connection() as conn:
        admin = add_person(conn, SYSTEM, "admin", "Admin", [("admin", "3308")])
        officer = add_person(conn, SYSTEM, "officer", "Officer", [("officer", "3308-agri")])
        key, officer_key = make_key(conn, SYSTEM, admin, "test"), make_key(conn, SYSTEM, officer, "test")
    for url in serve(app):
        yield Served(url, key, officer_key)
