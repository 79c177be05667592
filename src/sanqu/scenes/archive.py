"""The archive of a scene (`.sanqu`): one file, the same bytes from the same scene anywhere, signed by who publishes it.

A ZIP whose entries are stored in order, without times; `manifest.json` comes first and names each file with size and SHA-256, and
`signature.json` holds an Ed25519 signature over the bytes of the manifest. Nothing is unpacked before all of that was looked at.
"""

from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.scenes.package import Scene, open_scene

MOST_BYTES, MOST_FILES = 100 * 1024**2, 2_000
MANIFEST, SIGNATURE = "manifest.json", "signature.json"
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Sealed:
    """What an archive says of itself, once it was verified: `key` is the publisher's (base64), empty where it is not signed."""

    name: str
    version: str
    key: str
    sha256: str
    files: tuple[str, ...]


def make_key(file: Path) -> str:
    """Write a new private key for publishing, readable by its owner only; gives the public key. Raises `BadInput` where the file is there."""
    if file.exists():
        raise broken(file.name, "密钥文件已存在", "The key is there already")
    key = Ed25519PrivateKey.generate()
    file.touch(mode=0o600)
    file.write_bytes(b64encode(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())) + b"\n")
    return public_of(key)


def read_key(file: Path) -> Ed25519PrivateKey:
    """The private key of a file; raises `BadInput`."""
    try:
        return Ed25519PrivateKey.from_private_bytes(b64decode(file.read_bytes().strip(), validate=True))
    except (OSError, ValueError) as fault:
        raise broken(file.name, "密钥读不懂", "This is no key", "用 sanqu scene keygen 生成", "Make one with sanqu scene keygen") from fault


def public_of(key: Ed25519PrivateKey) -> str:
    """The public key as base64."""
    return b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def pack(scene: Scene, key: Ed25519PrivateKey | None = None) -> bytes:
    """The archive of a scene, signed where a key is given; the same scene and key give the same bytes. Raises `BadInput` for what is too large."""
    files = {path.relative_to(scene.folder).as_posix(): path.read_bytes() for path in _files(scene.folder)}
    if len(files) > MOST_FILES or sum(map(len, files.values())) > MOST_BYTES:
        raise broken(scene.name, "场景太大", "The scene is too large", "样例用 SQL 生成，不要放大文件", "Let samples be made by SQL instead of bringing large files")
    manifest = {
        "format": 1, "name": scene.name, "version": str(scene.version), "title": scene.about.title.model_dump(), "needs": dict(sorted(scene.about.needs.items())), "licence": scene.about.licence,
        "files": {name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in sorted(files.items())},
    }  # fmt: skip
    told = json.dumps(manifest, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    signature = {} if key is None else {SIGNATURE: json.dumps({"key": public_of(key), "signature": b64encode(key.sign(told)).decode()}).encode()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {MANIFEST: told, **signature, **dict(sorted(files.items()))}.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.create_system = 3
            archive.writestr(entry, content)
    return out.getvalue()


def _files(folder: Path) -> list[Path]:
    """The files of a scene; links are followed by nobody, hidden ones are left out."""
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if any(part.startswith(".") or part == "__pycache__" for part in inside.parts):
            continue
        if path.is_symlink():
            raise broken(inside.as_posix(), "场景里不能有链接", "There is a link in the scene", "换成文件本身", "Put the file itself there")
        if path.is_file():
            found.append(path)
    return found


def verify(archive: bytes, name: str = "") -> Sealed:
    """What an archive says of itself, every byte accounted for; raises `BadInput` naming what is wrong. Nothing is written."""
    sealed, _ = _verified(archive, name)
    return sealed


def unpack(archive: bytes, folder: Path, name: str = "") -> Scene:
    """Verify an archive and write its files into an empty folder; gives the scene. Raises `BadInput`."""
    sealed, contents = _verified(archive, name)
    for file, content in contents.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    scene = open_scene(folder)
    if (scene.name, str(scene.version)) != (sealed.name, sealed.version):
        raise broken(name or sealed.name, "清单与 scene.toml 不一致", "The manifest says another name or version than scene.toml")
    return scene


def _verified(archive: bytes, name: str) -> tuple[Sealed, dict[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            contents = _contents(opened, name)
    except BadInput:
        raise
    except Exception as fault:
        # What a damaged ZIP makes of Python's reader is not of a few kinds.
        raise broken(name, "这不是场景包", "This is no archive of a scene") from fault
    told = contents.pop(MANIFEST, None)
    signed = contents.pop(SIGNATURE, None)
    try:
        manifest = json.loads(told or b"")
        listed = {str(file): str(one["sha256"]) for file, one in manifest["files"].items()}
        said = (str(manifest["name"]), str(manifest["version"]))
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise broken(name, "没有清单，或读不懂", "It has no manifest that can be read") from fault
    for file in sorted(listed.keys() ^ contents.keys()):
        raise broken(f"{name}/{file}", "清单与文件对不上", "The manifest and the files differ")
    for file, content in contents.items():
        if hashlib.sha256(content).hexdigest() != listed[file]:
            raise broken(f"{name}/{file}", "文件被改过", "The file was changed")
    key = _signer(told or b"", signed, name) if signed is not None else ""
    return Sealed(*said, key, hashlib.sha256(archive).hexdigest(), tuple(sorted(listed))), contents


def _contents(opened: zipfile.ZipFile, name: str) -> dict[str, bytes]:
    """The files of a ZIP, none of them outside of it, no link, none twice, all together of bounded size."""
    entries = opened.infolist()
    if len(entries) > MOST_FILES + 2 or sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise broken(name, "场景包太大", "The archive is too large")
    found: dict[str, bytes] = {}
    for entry in entries:
        path = PurePosixPath(entry.filename)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        odd = entry.filename != path.as_posix() or path.is_absolute() or ".." in path.parts or "\\" in entry.filename or ":" in entry.filename or any(part.startswith(".") for part in path.parts)
        if odd or entry.is_dir() or kind not in (0, stat.S_IFREG) or entry.filename in found or entry.compress_type != zipfile.ZIP_STORED:
            raise broken(f"{name}/{entry.filename[:80]}", "场景包里有不该有的条目", "There is an entry in the archive that may not be there")
        found[entry.filename] = opened.read(entry)
    return found


def _signer(manifest: bytes, signed: bytes, name: str) -> str:
    try:
        said = json.loads(signed)
        Ed25519PublicKey.from_public_bytes(b64decode(said["key"], validate=True)).verify(b64decode(said["signature"], validate=True), manifest)
    except (ValueError, KeyError, TypeError, InvalidSignature) as fault:
        raise broken(name, "签名不对", "The signature does not fit") from fault
    return str(said["key"])


def broken(thing: str, zh: str, en: str, todo_zh: str = "向发布者要一份完好的", todo_en: str = "Ask whoever published it for a whole one") -> BadInput:
    """The error for an archive that is not what it should be."""
    return BadInput("scenes.archive", Text(zh=zh, en=en), Text(zh=todo_zh, en=todo_en), thing)
