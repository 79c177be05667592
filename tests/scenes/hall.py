"""A city with the gallery of components in it, and who reads there; what its tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from sanqu.ground.city import City
from sanqu.ground.facts import keep_fact
from sanqu.ground.http import SESSION_COOKIE
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.persons import add_person, asker_for
from sanqu.ground.people.sessions import open_session
from sanqu.lake import Commit, lake_of
from sanqu.scenes.installing import install
from sanqu.scenes.package import open_scene
from sanqu.sharing.reading import hang_door
from tests.conftest import new_city
from tests.scenes.conftest import settle

GALLERY = Path(__file__).parent / "gallery"
BOUNDARIES = Path(__file__).parents[2] / "cities" / "quzhou" / "built" / "boundaries.geojson"


@dataclass(frozen=True)
class Hall:
    """The city, an officer of a county, and the steward of the gallery's data."""

    city: City
    officer: Asker
    steward: Asker

    def cookie(self, asker: Asker) -> dict[str, str]:
        """What a browser holds of whoever is signed in."""
        with self.city.db.connection() as conn:
            return {SESSION_COOKIE: open_session(self.city, conn, asker.user_id or 0, "test")}

    def reader(self, site: str, asker: Asker | None = None) -> httpx.Client:
        """Somebody before the city's pages."""
        return httpx.Client(base_url=site, timeout=60, cookies=self.cookie(asker) if asker else {})

    def put(self, rows: str) -> None:
        """Change rows of the output."""
        with lake_of(self.city).engine() as duck:
            lake_of(self.city).upsert("gallery-output", rows, Commit("test"), duck=duck)


@contextmanager
def made_hall(postgres: str, nats: str, home: Path) -> Iterator[Hall]:
    """The hall, as long as it is needed."""
    hang_door()
    with new_city(postgres, nats, home, memory_limit="1GB") as city:
        settle(city)
        with city.db.connection() as conn:
            keep_fact(conn, "city", {"code": "3308", "title": {"zh": "衢州", "en": "Quzhou"}, "home": [], "boundaries": str(BOUNDARIES)})
            officer = asker_for(conn, add_person(conn, SYSTEM, "officer", "officer", [("officer", "330802")]))
            steward = asker_for(conn, add_person(conn, SYSTEM, "steward", "steward", [("steward", "3308")]))
        assert officer is not None and steward is not None
        install(city, SYSTEM, open_scene(GALLERY), samples=True)
        yield Hall(city, officer, steward)
