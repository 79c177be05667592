"""What a city has of scenes: those that are installed, how they are bound, and what is trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.database import Connection
from sanqu.ground.errors import NotFound, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.lake import lake_of
from sanqu.scenes.binding import Bound, read_binding
from sanqu.scenes.models import DAY, WORDS, Woven, datasets_in, expand, in_order, tells_day, tells_time
from sanqu.scenes.package import Model, Scene, open_scene

COLUMNS = "name, version, digest, body, folder, binding, steward, state, installed, actor"
LIST = f"SELECT {COLUMNS} FROM scene WHERE state = 'installed' ORDER BY name"
ONE = f"SELECT {COLUMNS} FROM scene WHERE name = %s"
SAVE = f"""
INSERT INTO scene ({COLUMNS}) VALUES (%(name)s, %(version)s, %(digest)s, %(body)s, %(folder)s, %(binding)s, %(steward)s, 'installed', %(installed)s, %(actor)s)
ON CONFLICT (name) DO UPDATE SET version = excluded.version, digest = excluded.digest, body = excluded.body, folder = excluded.folder,
    binding = excluded.binding, steward = excluded.steward, state = excluded.state, installed = excluded.installed, actor = excluded.actor
"""
MOST_READY = 5_000
TRUSTED = "SELECT 1 FROM scene_trusted WHERE kind = %s AND value = %s"
TRUST = "INSERT INTO scene_trusted (kind, value, note, actor, at) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"


@dataclass(frozen=True)
class Installed:
    """One installed scene: `digest` of its files, the folder they lie in, and how its datasets are bound."""

    name: str
    version: str
    digest: str
    body: Mapping[str, Any]
    folder: str
    binding: Mapping[str, Bound]
    steward: str
    state: str
    installed: datetime
    actor: str

    @property
    def title(self) -> Text:
        """Its title."""
        return Text.model_validate(self.body["title"])

    @property
    def about(self) -> Text:
        """What it is for."""
        return Text.model_validate(self.body.get("about") or "")


@dataclass(frozen=True)
class Ready:
    """A query of a scene as it is asked in this city: over which datasets, and whether its answer changes with the time."""

    sql: str
    datasets: tuple[str, ...]
    timely: bool
    daily: bool = False

    @property
    def marks(self) -> dict[str, int]:
        """What its answer hangs on beside the snapshots, and is kept with them: the words of the query, and the city's day where it asks for it.

        Another day is as another row; so is another query, be it only a label in a decision table that a newer version of the scene brings.
        """
        words = {WORDS: int.from_bytes(hashlib.sha256(self.sql.encode()).digest()[:6])}
        return {**words, DAY: now().astimezone(CITY_ZONE).date().toordinal()} if self.daily else words


class Shelf:
    """Scenes of this process as they were read, by digest: a page needs no file twice, a rule is woven once for each law."""

    def __init__(self, _city: City) -> None:
        self.read: dict[str, Scene] = {}
        self.ready: dict[tuple[str, datetime, int, str], Ready] = {}
        self.tables: dict[str, list[Model]] = {}


def installed(city: City) -> list[Installed]:
    """The scenes that are installed, by name."""
    return [_installed(row) for row in city.db.all(LIST)]


def find_installed(city: City, name: str) -> Installed:
    """One of them; raises `NotFound`."""
    row = city.db.one(ONE, (name,))
    if row is None or row["state"] != "installed":
        raise not_found(Text(zh="场景", en="scene"), name[:40])
    return _installed(row)


def scene_of(city: City, one: Installed) -> Scene:
    """The files of an installed scene, read once a process."""
    shelf = city.part(Shelf, Shelf).read
    if one.digest not in shelf:
        if not Path(one.folder).is_dir():
            raise NotFound("scenes.files", Text(zh="场景的文件不在了", en="The files of the scene are gone"), Text(zh="重新安装它", en="Install it again"), one.folder)
        shelf[one.digest] = open_scene(Path(one.folder))
    return shelf[one.digest]


def kept_tables(city: City, one: Installed) -> list[Model]:
    """Models that are kept as tables, each after those it reads."""
    shelf = city.part(Shelf, Shelf).tables
    if one.digest not in shelf:
        shelf[one.digest] = [model for model in in_order(scene_of(city, one).models) if model.table]
    return shelf[one.digest]


def woven_of(city: City, one: Installed) -> Woven:
    """What the scene's names stand for in this city."""
    lake = lake_of(city)
    given = {name: lake.contract(bound.dataset) for name, bound in one.binding.items() if lake.has(bound.dataset)}
    return Woven(scene_of(city, one), one.binding, given)


def ready(city: City, one: Installed, law: int, sql: str, thing: str) -> Ready:
    """A query of the scene, woven; once for each installation and number of the law. Raises `BadInput` naming `thing`."""
    shelf = city.part(Shelf, Shelf).ready
    key = (one.name, one.installed, law, sql)
    if key not in shelf:
        if len(shelf) > MOST_READY:
            shelf.clear()
        woven = expand(woven_of(city, one), sql, thing)
        shelf[key] = Ready(woven, tuple(datasets_in(woven)), tells_time(woven), tells_day(woven))
    return shelf[key]


def save_installed(conn: Connection, scene: Scene, digest: str, folder: Path, binding: Mapping[str, Bound], steward: str, actor: Asker) -> None:
    """Note a scene as installed."""
    body = scene.about.model_dump(mode="json")
    bound = Jsonb({name: one.model_dump(mode="json", exclude_defaults=True) for name, one in binding.items()})
    conn.execute(SAVE, {"name": scene.name, "version": str(scene.version), "digest": digest, "body": Jsonb(body), "folder": str(folder), "binding": bound, "steward": steward, "installed": now(), "actor": actor.label})


def is_trusted(conn: Connection, kind: str, value: str) -> bool:
    """Whether an administrator trusts a key, or allowed the Python of a scene by its digest."""
    return conn.execute(TRUSTED, (kind, value)).fetchone() is not None


def trust(city: City, asker: Asker, kind: str, value: str, note: str = "") -> None:
    """Trust a publisher's key (`key`), or allow just these bytes of Python (`python`); for administrators."""
    require_admin(asker)
    with city.db.connection() as conn:
        conn.execute(TRUST, (kind, value, note[:200], asker.label, now()))
        append(conn, kind="scenes.trusted", actor=asker.label, subject=f"{kind}:{value[:80]}", facts={"note": note[:200]})


def require_admin(asker: Asker) -> None:
    """Raise `Refused` for all but administrators."""
    if not asker.is_admin:
        raise Refused("scenes.admin", Text(zh="由管理员安装场景", en="Administrators install scenes"), Text(zh="请管理员办理", en="Ask an administrator"), status=401 if not asker.signed_in else 403)


def _installed(row: Mapping[str, Any]) -> Installed:
    return Installed(**{**row, "binding": read_binding(row["binding"], row["name"])})
