"""Tests a scene (场景测试): installed into a city that is thrown away, its samples loaded, its declared expectations looked at."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sanqu.ground.bus import Bus
from sanqu.ground.city import City
from sanqu.ground.database import Database
from sanqu.ground.engines import engines_of
from sanqu.ground.errors import NotFound, SanquError
from sanqu.ground.facts import keep_fact
from sanqu.ground.i18n import Text
from sanqu.ground.packs import find_pack, read_pack
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.units import save_units
from sanqu.ground.schema import bring_up_to_date
from sanqu.ground.settings import load_settings
from sanqu.indicators.evaluate import evaluate
from sanqu.indicators.keeping import figures_of
from sanqu.indicators.periods import parse_period
from sanqu.scenes.installing import install
from sanqu.scenes.keeping import Installed, woven_of
from sanqu.scenes.models import expand
from sanqu.scenes.package import Expectation, Scene, find_scene, open_scene
from sanqu.scenes.speaking import purpose_of, speaker_of
from sanqu.sharing.door import Question, ask
from sanqu.sharing.reading import hang_door

ALARMS = "SELECT count(*) AS n FROM scene_alarm WHERE scene = %s AND rule = %s AND cleared IS NULL"
CASES = "SELECT count(*) AS n FROM case_case WHERE process = %s"
# A page's words for an asker; the room of pages says how.
Render = Callable[[City, Installed, str], str]
_render: list[Render] = []


def on_render(render: Render) -> None:
    """Let `render(city, installed, page)` give the HTML of a page, for expectations; it raises what is wrong with the page."""
    _render[:] = [render]


@dataclass(frozen=True)
class Outcome:
    """Whether an expectation holds, and what was found."""

    scene: str
    name: str
    ok: bool
    found: str


@contextmanager
def throwaway(city_pack: str = "quzhou") -> Iterator[City]:
    """A city with the units of a pack and nothing else, on engines of its own; all of it goes in the end."""
    home = Path(tempfile.mkdtemp(prefix="sanqu-scene-"))
    try:
        settings = load_settings({"home": home, "worker": False})
        with engines_of(settings) as engines:
            bring_up_to_date(engines.database_url)
            city = City(settings, Database(engines.database_url), Bus(engines.nats_url))
            hang_door()
            _settle(city, city_pack)
            try:
                yield city
            finally:
                city.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _settle(city: City, city_pack: str) -> None:
    pack = read_pack(find_pack(city_pack))
    with city.db.connection() as conn:
        save_units(conn, pack.units)
        keep_fact(conn, "city", {"code": pack.code, "title": pack.about.get("title"), "home": pack.about.get("home", []), "boundaries": str(pack.boundaries or "")})


def prove_scenes(city: City, folders: Sequence[Path], say: Callable[[str], None] = lambda _text: None) -> list[Outcome]:
    """Install scenes with their samples, those that they need first, and look at what they expect."""
    found: list[Outcome] = []
    done: dict[str, Installed] = {}
    for folder in folders:
        scene = open_scene(folder)
        _with_needs(city, scene, done, say)
        found += look(city, done[scene.name], scene)
    return found


def _with_needs(city: City, scene: Scene, done: dict[str, Installed], say: Callable[[str], None]) -> None:
    if scene.name in done:
        return
    for name in scene.needs:
        beside = scene.folder.parent / name
        _with_needs(city, open_scene(beside if (beside / "scene.toml").is_file() else find_scene(name)), done, say)
    done[scene.name] = install(city, SYSTEM, scene, samples=True, say=say)


def look(city: City, one: Installed, scene: Scene) -> list[Outcome]:
    """Look at every expectation of an installed scene."""
    if any(expectation.indicator for expectation in scene.expectations):
        evaluate(city)
    return [_look_at(city, one, expectation) for expectation in scene.expectations]


def _look_at(city: City, one: Installed, expectation: Expectation) -> Outcome:
    try:
        ok, found = _found(city, one, expectation)
    except SanquError as fault:
        ok, found = False, fault.what.in_("en")
    return Outcome(one.name, expectation.name, ok, found)


def _found(city: City, one: Installed, wanted: Expectation) -> tuple[bool, str]:
    if wanted.page:
        if not _render:
            raise NotFound("scenes.no-pages", Text(zh="没有装上页面的程序", en="Nothing here renders pages"), Text(zh="用 sanqu scene test", en="Use sanqu scene test"), wanted.page)
        html = _render[0](city, one, wanted.page)
        missing = [text for text in wanted.contains if text not in html]
        return not missing, "; ".join(missing) if missing else f"{len(html):,} characters"
    value = _value(city, one, wanted)
    return _fits(value, wanted), str(value)


def _value(city: City, one: Installed, wanted: Expectation) -> Any:
    if wanted.rule:
        row = city.db.one(ALARMS, (one.name, wanted.rule))
        return int(row["n"]) if row else 0
    if wanted.process:
        row = city.db.one(CASES, (wanted.process,))
        return int(row["n"]) if row else 0
    if wanted.indicator:
        figure = figures_of(city, [wanted.indicator])[wanted.indicator].get(parse_period(wanted.period, wanted.name))
        return None if figure is None else figure.value
    sql = expand(woven_of(city, one), wanted.sql, wanted.name)
    rows = ask(city, speaker_of(city, one), Question(sql, purpose_of(one), rows=1, via="scenes")).table.to_pylist()
    return next(iter(rows[0].values())) if rows else None


def _fits(value: Any, wanted: Expectation) -> bool:
    if wanted.least is not None and not (value is not None and float(value) >= wanted.least):
        return False
    if wanted.most is not None and not (value is not None and float(value) <= wanted.most):
        return False
    if wanted.value is None:
        return wanted.least is not None or wanted.most is not None
    if isinstance(wanted.value, bool) or isinstance(value, bool):
        return bool(value) == wanted.value
    if isinstance(wanted.value, int | float):
        return value is not None and abs(float(value) - wanted.value) <= wanted.within + 1e-9
    return str(value) == wanted.value
