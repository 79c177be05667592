"""A registry of scenes (场景库): a folder, or the same folder behind any HTTP server: `index.json` and the archives that it names."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused, Unavailable
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.scenes.archive import MOST_BYTES, Sealed, unpack, verify
from sanqu.scenes.binding import Binding
from sanqu.scenes.installing import Say, install
from sanqu.scenes.keeping import Installed, installed, is_trusted, require_admin
from sanqu.scenes.package import NAME
from sanqu.scenes.proving import TOLERANCE
from sanqu.scenes.versions import Range, parse_range, parse_version

INDEX = "index.json"
LARGEST_INDEX = 8 * 1024**2
WAIT = 30.0


@dataclass(frozen=True)
class Entry:
    """One archive of a registry."""

    name: str
    version: str
    title: dict[str, str]
    file: str
    sha256: str
    key: str
    needs: dict[str, str]


def publish(folder: Path, archive: bytes) -> Entry:
    """Put a verified archive into a registry folder, its index written last and whole.

    Raises `Conflict` where this version is there with other bytes: what was published does not change.
    """
    sealed = verify(archive)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        entries = read_index(str(folder)) if (folder / INDEX).is_file() else []
        same = next((one for one in entries if (one.name, one.version) == (sealed.name, sealed.version)), None)
        if same is not None and same.sha256 != sealed.sha256:
            raise Conflict("scenes.published", Text(zh=f"{sealed.name} {sealed.version} 已发布过，内容不同", en=f"{sealed.name} {sealed.version} was published already, with other content"), Text(zh="升版本号再发布", en="Raise the version and publish again"), sealed.name)
        if same is not None:
            return same
        made = _entry(sealed, archive)
        _write(folder / made.file, archive)
        told = {"format": 1, "scenes": [asdict(one) for one in sorted([*entries, made], key=lambda one: (one.name, parse_version(one.version)))]}
        _write(folder / INDEX, json.dumps(told, ensure_ascii=False, indent=1).encode() + b"\n")
    return made


def _entry(sealed: Sealed, archive: bytes) -> Entry:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        manifest = json.loads(opened.read("manifest.json"))
    return Entry(sealed.name, sealed.version, manifest["title"], f"{sealed.name}-{sealed.version}.sanqu", sealed.sha256, sealed.key, manifest["needs"])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _write(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as made:
        made.write(content)
        made.flush()
        os.fsync(made.fileno())
    Path(made.name).chmod(0o644)
    Path(made.name).replace(path)


def read_index(registry: str) -> list[Entry]:
    """The archives of a registry (a folder, or an http or https address); raises `Unavailable`, `BadInput`."""
    try:
        said = json.loads(_fetch(registry, INDEX, LARGEST_INDEX))
        found = [Entry(**{name: one[name] for name in Entry.__dataclass_fields__}) for one in said["scenes"]]
        for one in found:
            parse_version(one.version)
            if re.fullmatch(NAME, one.name) is None or "/" in one.file or one.file.startswith("."):
                raise ValueError(one.name)
    except (ValueError, KeyError, TypeError) as fault:
        raise BadInput("scenes.index", Text(zh="场景库的目录读不懂", en="The index of the registry cannot be read"), Text(zh="检查地址是不是场景库", en="See that the address is that of a registry"), registry[:120]) from fault
    return found


def _fetch(registry: str, file: str, most: int) -> bytes:
    if not registry.startswith(("http://", "https://")):
        path = Path(registry) / file
        if not path.is_file():
            raise NotFound("scenes.registry", Text(zh=f"场景库里没有 {file}", en=f"The registry has no {file}"), Text(zh="检查路径", en="Check the path"), registry[:120])
        return path.read_bytes()
    try:
        with httpx.stream("GET", f"{registry.rstrip('/')}/{file}", timeout=WAIT, follow_redirects=True) as answer:
            answer.raise_for_status()
            body = bytearray()
            for part in answer.iter_bytes():
                body += part
                if len(body) > most:
                    raise BadInput("scenes.large", Text(zh="场景库给的文件太大", en="What the registry gives is too large"), Text(zh="检查场景库", en="Check the registry"), file)
            return bytes(body)
    except httpx.HTTPError as fault:
        raise Unavailable("scenes.registry-away", Text(zh=f"场景库连不上：{fault}", en=f"The registry does not answer: {fault}"), Text(zh="检查地址和网络，稍后再试", en="Check the address and the network, and try again"), registry[:120]) from fault


def choose(entries: list[Entry], name: str, wanted: Range) -> Entry:
    """The newest archive of a scene within a range; raises `NotFound` naming the versions there are."""
    there = sorted((one for one in entries if one.name == name), key=lambda one: parse_version(one.version))
    fitting = [one for one in there if parse_version(one.version) in wanted]
    if not fitting:
        versions = "、".join(one.version for one in there) or "—"
        raise NotFound("scenes.version-none", Text(zh=f"场景库里没有 {name} {wanted.text}", en=f"The registry has no {name} {wanted.text}"), Text(zh=f"有的版本：{versions}", en=f"Versions there: {versions}"), name)
    return fitting[-1]


@dataclass(frozen=True)
class Order:
    """How an installation is wanted; `trusting` trusts whoever published it for this once."""

    binding: Binding | None = None
    steward: str = ""
    samples: bool = False
    trusting: bool = False
    tolerance: float = TOLERANCE
    say: Say = lambda _text: None


def install_from(city: City, asker: Asker, registry: str, said: str, order: Order | None = None) -> Installed:
    """Install `name` or `name@range` from a registry, with what it needs that is not there yet.

    Raises `Refused` where the publisher's key is not trusted, `BadInput` where bytes differ from the index, `NotFound` for a version
    that is not there, `Conflict` for scenes that need each other.
    """
    require_admin(asker)
    name, _, text = said.partition("@")
    entries = read_index(registry)
    return _install(city, asker, registry, entries, choose(entries, name, parse_range(text or "*")), order or Order(), ())


def _install(city: City, asker: Asker, registry: str, entries: list[Entry], one: Entry, order: Order, path: tuple[str, ...]) -> Installed:
    if one.name in path:
        way = " → ".join((*path, one.name))
        raise Conflict("scenes.needs-round", Text(zh=f"场景互相需要：{way}", en=f"Scenes need each other in a circle: {way}"), Text(zh="请发布者拆开", en="Ask their publishers to take them apart"), one.name)
    there = {other.name: parse_version(other.version) for other in installed(city)}
    for other, text in one.needs.items():
        wanted = parse_range(text)
        if other not in there or there[other] not in wanted:
            _install(city, asker, registry, entries, choose(entries, other, wanted), replace(order, binding=None), (*path, one.name))
    archive = _fetch(registry, one.file, MOST_BYTES * 2)
    if hashlib.sha256(archive).hexdigest() != one.sha256:
        raise BadInput("scenes.changed", Text(zh="拿到的场景包与目录不一致", en="The archive is not the one that the index names"), Text(zh="稍后再试，或问场景库的管理者", en="Try again later, or ask whoever keeps the registry"), one.file)
    return install_archive(city, asker, archive, one.file, order)


def install_archive(city: City, asker: Asker, archive: bytes, name: str, order: Order | None = None) -> Installed:
    """Install an archive whose publisher is trusted; raises as `install_from`."""
    require_admin(asker)
    wanted, sealed = order or Order(), verify(archive, name)
    with city.db.connection() as conn:
        if not wanted.trusting and not (sealed.key and is_trusted(conn, "key", sealed.key)):
            who = sealed.key or "—"
            raise Refused("scenes.key", Text(zh=f"不认识发布者的公钥：{who}", en=f"The publisher's key is not trusted: {who}"), Text(zh="核对后：sanqu scene trust --key 公钥；或这一次加 --trust", en="Having compared it: sanqu scene trust --key KEY; or --trust for this once"), name)
        append(conn, kind="scenes.archive", actor=asker.label, subject=f"scene:{sealed.name}", facts={"version": sealed.version, "sha256": sealed.sha256, "key": sealed.key})
    with tempfile.TemporaryDirectory() as folder:
        scene = unpack(archive, Path(folder) / sealed.name, name)
        return install(city, asker, scene, binding=wanted.binding, steward=wanted.steward, samples=wanted.samples, tolerance=wanted.tolerance, say=wanted.say)


def as_rows(entries: list[Entry]) -> list[dict[str, Any]]:
    """Entries as JSON takes them."""
    return [asdict(one) for one in entries]
