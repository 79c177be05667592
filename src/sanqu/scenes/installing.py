"""Installs a scene: contracts, samples, lines, models, indicators, processes, rules; again, newer, or away."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from sanqu.cases.deploying import deploy_file
from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused
from sanqu.ground.facts import fact
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import defer
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import unit
from sanqu.indicators.keeping import read_indicator, save_indicators
from sanqu.lake import Contract, lake_of
from sanqu.lines.keeping import delete_line, lines, placed, save_line
from sanqu.lines.records import Line
from sanqu.scenes.binding import Binding, Bound, check_bound, same
from sanqu.scenes.checking import check_scene
from sanqu.scenes.keeping import Installed, find_installed, installed, is_trusted, require_admin, save_installed, woven_of
from sanqu.scenes.models import Woven, expand
from sanqu.scenes.package import Scene, broken
from sanqu.scenes.proving import TOLERANCE, prove, refuse_unproven
from sanqu.scenes.refreshing import declare_tables, look_at_scene
from sanqu.scenes.samples import load_samples, show_lines
from sanqu.scenes.speaking import speaker_at
from sanqu.scenes.versions import parse_version

FOLDER = "scenes"
Say = Callable[[str], None]
FORGET_BOOKS = "DELETE FROM scene_seen WHERE scene = %s AND what LIKE 'book:%%'"
REMOVE = "UPDATE scene SET state = 'removed' WHERE name = %s"


def digest_of(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files of a scene, in order."""
    total = hashlib.sha256()
    for file in sorted(one for one in folder.rglob("*") if one.is_file() and not any(part.startswith(".") for part in one.relative_to(folder).parts)):
        total.update(f"{file.relative_to(folder).as_posix()}\0{file.stat().st_size}\0".encode())
        total.update(file.read_bytes())
    return total.hexdigest()


def python_digest(scene: Scene) -> str:
    """SHA-256 over the Python of a scene."""
    total = hashlib.sha256()
    for file in scene.python:
        total.update(f"{file}\0".encode() + (scene.folder / file).read_bytes())
    return total.hexdigest()


def install(
    city: City, asker: Asker, scene: Scene, *, binding: Binding | None = None, steward: str = "", samples: bool = False, tolerance: float = TOLERANCE, say: Say = lambda _text: None
) -> Installed:  # fmt: skip
    """Install a scene, or take an installed one to a newer version; the same files again change nothing.

    `binding` says which datasets of the city stand for those of the scene; the others are made new, for the unit `steward` (else the
    scene's own, else the city). Raises `Refused` for all but administrators and for Python that was not allowed, `BadInput` for what
    is broken or a binding that does not fit, `Conflict` for a scene that is missing, a downgrade, and names that are taken.
    """
    require_admin(asker)
    if problems := check_scene(scene):
        raise broken(scene.name, problems)
    digest = digest_of(scene.folder)
    old = next((one for one in installed(city) if one.name == scene.name), None)
    bound = dict(binding if binding is not None else old.binding if old else {})
    _refuse_unfit(city, scene, old)
    unit_code = _steward(city, scene, steward or (old.steward if old else ""))
    _check_binding(city, scene, bound)
    _prove(city, scene, bound, unit_code, tolerance, say)
    made = _declare(city, scene, bound, unit_code, asker)
    folder = _copy(city, scene, digest)
    kept = Scene(**{**scene.__dict__, "folder": folder})
    with city.db.connection() as conn:
        save_installed(conn, kept, digest, folder, bound, unit_code, asker)
        append(conn, kind="scenes.installed", actor=asker.label, subject=f"scene:{scene.name}", facts={"version": str(scene.version), "digest": digest, "from": old.version if old else None})
    say(f"· {scene.about.title.zh} {scene.version} → {len(made)} 个数据集 datasets")
    one = find_installed(city, scene.name)
    if samples:
        load_samples(city, kept, made, asker, say)
        with city.db.connection() as conn:
            # Samples took the place of what was there: cases and alarms are brought in again.
            conn.execute(FORGET_BOOKS, (scene.name,))
    _furnish(city, asker, kept, one, made)
    if samples:
        show_lines(city, kept, made, say)
    declare_tables(city, one)
    look_at_scene(city, one)
    return one


def _prove(city: City, scene: Scene, bound: Mapping[str, Bound], steward: str, tolerance: float, say: Say) -> None:
    """The scene's contracts over the bound rows, as its unit may read them."""
    proofs = prove(city, speaker_at(city, scene.name, steward), scene, bound)
    for one in proofs:
        if one.bad:
            say(f"  {one.what.zh} · {one.what.in_('en')}")
    refuse_unproven(scene, proofs, tolerance)


def _refuse_unfit(city: City, scene: Scene, old: Installed | None) -> None:
    if old is not None and scene.version < parse_version(old.version):
        raise Conflict("scenes.downgrade", Text(zh=f"已装 {old.version}，不能退回 {scene.version}", en=f"{old.version} is installed; it does not go back to {scene.version}"), Text(zh="卸载后再装旧版，数据会留下", en="Remove it first; its data stay"), scene.name)
    there = {one.name: parse_version(one.version) for one in installed(city)}
    for name, wanted in scene.needs.items():
        if name not in there or there[name] not in wanted:
            has = str(there[name]) if name in there else "—"
            raise Conflict("scenes.needs", Text(zh=f"要先装场景 {name} {wanted.text}（现在：{has}）", en=f"It needs the scene {name} {wanted.text} (there is: {has})"), Text(zh="先安装它", en="Install that first"), scene.name)
    if scene.python:
        digest = python_digest(scene)
        with city.db.connection() as conn:
            if not is_trusted(conn, "python", digest):
                raise Refused("scenes.python", Text(zh="这个场景带 Python，城市没有允许", en="This scene brings Python, which the city has not allowed"), Text(zh=f"看过代码后：sanqu scene trust --python {digest}", en=f"Having read it: sanqu scene trust --python {digest}"), scene.name)


def _steward(city: City, scene: Scene, wanted: str) -> str:
    """The unit that answers for the scene: the one that is asked for, else the scene's own if the city has it, else the city's."""
    for code in (wanted, scene.about.steward, str(fact(city, "city", {}).get("code", ""))):
        try:
            if code:
                return unit(city, code).code
        except NotFound:
            if code == wanted:
                raise
    raise BadInput("scenes.steward", Text(zh="没有可以负责这个场景的机构", en="There is no unit that could answer for this scene"), Text(zh="用 --steward 指定", en="Name one with --steward"), scene.name)


def _check_binding(city: City, scene: Scene, bound: Mapping[str, Bound]) -> None:
    """Raise `BadInput` naming what of a binding does not fit."""
    lake = lake_of(city)
    wrong: list[Text] = []
    for name, one in bound.items():
        if name not in scene.contracts:
            wrong.append(Text(zh=f"场景没有数据集 {name}", en=f"The scene has no dataset {name}"))
        elif not lake.has(one.dataset):
            wrong.append(Text(zh=f"城市没有数据集 {one.dataset}", en=f"The city has no dataset {one.dataset}"))
        else:
            wrong += check_bound(name, one, scene.contracts[name], lake.contract(one.dataset))
    if wrong:
        raise BadInput("scenes.binding", wrong[0], Text(zh=f"改正绑定（共 {len(wrong)} 处）", en=f"Mend the binding ({len(wrong)} in all)"), scene.name, facts={"problems": [one.in_("en") for one in wrong]})


def _declare(city: City, scene: Scene, bound: dict[str, Bound], steward: str, asker: Asker) -> dict[str, str]:
    """Declare what is not bound; gives the datasets that the scene made, by its own names. Those that the city had stand for themselves."""
    lake = lake_of(city)
    made: dict[str, str] = {}
    for name, contract in scene.contracts.items():
        if name in bound:
            continue
        mark = f"scene:{scene.name}"
        mine = contract.model_copy(update={"steward": steward, "tags": (*contract.tags, mark)})
        if lake.has(name) and mark not in lake.contract(name).tags:
            # What the city had before is the city's: it is read, never written.
            if not _fits(lake.contract(name), mine):
                raise Conflict("scenes.taken", Text(zh=f"城市已有数据集 {name}，数据项不同", en=f"The city has a dataset {name} already, with other items"), Text(zh=f"把它绑定：sanqu scene bind {scene.name}", en=f"Bind it: sanqu scene bind {scene.name}"), name)
            bound[name] = same(mine)
            continue
        register_contract(city, mine, asker.label)
        made[name] = name
    return made


def _fits(there: Contract, mine: Contract) -> bool:
    """Whether a dataset of the city has all items of the scene's, of the same types."""
    known = {item.name: item.type for item in there.fields}
    return all(known.get(item.name) == item.type for item in mine.fields)


def _copy(city: City, scene: Scene, digest: str) -> Path:
    """The files as they were installed; what changes in their folder later changes nothing here."""
    target: Path = (city.settings.home / FOLDER / scene.name / f"{scene.version}-{digest[:12]}").resolve()
    if scene.folder.resolve() != target:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(scene.folder, target, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    return target


def _furnish(city: City, asker: Asker, scene: Scene, one: Installed, made: Mapping[str, str]) -> None:
    """Lines of what the scene made, indicators, processes."""
    for stem, said in scene.lines.items():
        line = Line.from_descriptor({"name": f"{scene.name}-{stem}", **said})
        if set(line.datasets) <= set(made):
            save_line(city, placed(line, scene.folder / "lines"), asker)
    woven = woven_of(city, one)
    with city.db.connection() as conn:
        save_indicators(conn, [read_indicator(_woven_indicator(woven, said)) for said in scene.indicators], scene.name)
        if scene.indicators:
            defer(conn, "indicators.evaluate", once="indicators.evaluate")
    for file in scene.processes:
        deploy_file(city, scene.folder / file, asker)


def _woven_indicator(woven: Woven, said: Mapping[str, object]) -> dict[str, object]:
    """An indicator whose queries name the city's own datasets."""
    found = dict(said)
    ways = said.get("ways")
    if isinstance(ways, list):
        found["ways"] = [{**way, "sql": expand(woven, way["sql"], str(said.get("code")))} if isinstance(way, dict) and way.get("sql") else way for way in ways]
    if isinstance(said.get("targets"), str):
        found["targets"] = expand(woven, str(said["targets"]), str(said.get("code")))
    return found


def uninstall(city: City, asker: Asker, name: str) -> None:
    """Take a scene away: its pages, rules, lines and indicators go; its datasets and what cases it opened stay. Raises `Conflict` where another needs it."""
    require_admin(asker)
    one = find_installed(city, name)
    for other in installed(city):
        if name in other.body.get("needs", {}):
            raise Conflict("scenes.needed", Text(zh=f"场景 {other.name} 要用它", en=f"The scene {other.name} needs it"), Text(zh="先卸载那一个", en="Remove that one first"), name)
    for line in lines(city):
        if line.name.startswith(f"{name}-") and line.dataset in _datasets(city, one):
            delete_line(city, line.name, asker)
    with city.db.connection() as conn:
        save_indicators(conn, [], name)
        conn.execute(REMOVE, (name,))
        append(conn, kind="scenes.removed", actor=asker.label, subject=f"scene:{name}", facts={"version": one.version})


def _datasets(city: City, one: Installed) -> set[str]:
    return set(woven_of(city, one).scene.contracts)
