"""A scene travels: packed into one file, the same bytes anywhere, signed, published, verified, installed elsewhere with what it needs."""

from __future__ import annotations

import io
import json
import shutil
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, NotFound, Refused, SanquError, Unavailable
from sanqu.ground.people.askers import SYSTEM
from sanqu.scenes.archive import make_key, pack, read_key, unpack, verify
from sanqu.scenes.commands import app
from sanqu.scenes.keeping import installed, trust
from sanqu.scenes.package import open_scene
from sanqu.scenes.registry import Order, choose, install_archive, install_from, publish, read_index
from sanqu.scenes.versions import parse_range
from tests.scenes.conftest import Write

BARE = dict.fromkeys(("models/large.sql", "models/by_county.sql", "rules/rules.toml", "tests/expect.toml", "samples/grove-orchards.csv"))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder behind an HTTP server."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def about(version: str = "1.0.0", name: str = "grove", needs: str = "") -> dict[str, str | None]:
    return {"scene.toml": f'name = "{name}"\nversion = "{version}"\ntitle = {{ zh = "果园", en = "Grove" }}\nsample = true\n[needs]\n{needs}\n'}


def test_the_same_scene_gives_the_same_bytes_wherever_it_lies(write: Write, tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    here, key = write(), read_key(tmp_path / "key")
    shutil.copytree(here, tmp_path / "there")
    (tmp_path / "there" / ".hidden").write_text("x")
    assert pack(open_scene(here), key) == pack(open_scene(tmp_path / "there"), key)
    scene = unpack(pack(open_scene(here), key), tmp_path / "out")
    assert scene.name == "grove" and pack(scene, key) == pack(open_scene(here), key)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    with pytest.raises(BadInput):
        make_key(tmp_path / "key")


def changed(archive: bytes, name: str, content: bytes | None, mode: int = stat.S_IFREG | 0o644) -> bytes:
    """An archive with one entry put in, replaced or left out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            if entry.filename != name:
                new.writestr(entry, old.read(entry))
        if content is not None:
            made = zipfile.ZipInfo(name)
            made.external_attr = mode << 16
            new.writestr(made, content)
    return out.getvalue()


def test_whatever_was_done_to_an_archive_is_seen(write: Write, tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    archive = pack(open_scene(write()), read_key(tmp_path / "key"))
    manifest = zipfile.ZipFile(io.BytesIO(archive)).read("manifest.json")
    forged = json.loads(manifest)
    forged["version"] = "9.9.9"
    tampered = [
        changed(archive, "models/large.sql", b"SELECT 1"), changed(archive, "models/large.sql", None), changed(archive, "more.txt", b"x"),
        changed(archive, "../outside", b"x"), changed(archive, "/etc/outside", b"x"), changed(archive, "a\\b", b"x"), changed(archive, "models/link.sql", b"/etc/passwd", stat.S_IFLNK | 0o777),
        changed(archive, "manifest.json", json.dumps(forged).encode()), changed(archive, "manifest.json", b"{}"), changed(archive, "signature.json", b"{}"), archive[:-30], b"nothing",
    ]  # fmt: skip
    for one in tampered:
        with pytest.raises(BadInput):
            unpack(one, tmp_path / "out")
        assert not (tmp_path / "out").exists() and not (tmp_path / "outside").exists()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(0, 10**6), byte=st.integers(1, 255))
def test_no_single_byte_can_be_changed_unseen(write: Write, tmp_path: Path, place: int, byte: int) -> None:
    if not (tmp_path / "key").exists():
        make_key(tmp_path / "key")
    archive = bytearray(pack(open_scene(write()), read_key(tmp_path / "key")))
    whole = verify(bytes(archive))
    archive[place % len(archive)] ^= byte
    try:
        assert verify(bytes(archive)).files == whole.files
    except BadInput:
        return
    except SanquError as fault:
        pytest.fail(f"refused with the wrong words: {fault}")


def test_a_link_in_a_scene_is_not_packed(write: Write) -> None:
    folder = write()
    (folder / "models" / "link.sql").symlink_to("/etc/passwd")
    with pytest.raises(BadInput, match="link"):
        pack(open_scene(folder))


def test_a_registry_keeps_every_version_and_gives_the_newest_that_fits(write: Write, tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    for version in ("1.0.0", "1.2.0", "2.0.0"):
        publish(registry, pack(open_scene(write(about(version)))))
    entries = read_index(str(registry))
    assert [one.version for one in entries] == ["1.0.0", "1.2.0", "2.0.0"]
    assert choose(entries, "grove", parse_range("^1.0.0")).version == "1.2.0"
    with pytest.raises(NotFound, match="no grove"):
        choose(entries, "grove", parse_range("^3.0.0"))
    with pytest.raises(Conflict, match="other content"):
        publish(registry, pack(open_scene(write({**about("2.0.0"), "models/large.sql": "SELECT 1 AS a"}))))
    # The same bytes again are no other version.
    publish(registry, pack(open_scene(write({**about("1.0.0"), "models/large.sql": "SELECT * FROM by_county WHERE area > 20\n"}))))
    assert len(read_index(str(registry))) == 3


def test_a_city_installs_over_http_from_whom_it_trusts_with_what_is_needed(town: City, write: Write, tmp_path: Path) -> None:
    public = make_key(tmp_path / "key")
    key, registry = read_key(tmp_path / "key"), tmp_path / "registry"
    publish(registry, pack(open_scene(write()), key))
    publish(registry, pack(open_scene(write(about("0.3.0", "press", 'grove = "^1.0.0"') | BARE, [], "press")), key))
    with served(registry) as address:
        with pytest.raises(Refused, match="not trusted"):
            install_from(town, SYSTEM, address, "press")
        trust(town, SYSTEM, "key", public)
        assert install_from(town, SYSTEM, address, "press@^0.3.0", Order(samples=True)).name == "press"
        assert [one.name for one in installed(town)] == ["grove", "press"]
        (registry / "press-0.3.0.sanqu").write_bytes(b"other")
        with pytest.raises(BadInput, match="not the one"):
            install_from(town, SYSTEM, address, "press")
    with pytest.raises(Unavailable):
        install_from(town, SYSTEM, address, "press")
    with pytest.raises(Refused):
        install_archive(town, SYSTEM, pack(open_scene(write())), "grove.sanqu")


def test_scenes_of_a_registry_that_need_each_other_are_refused(town: City, write: Write, tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    for name, other in (("one", "two"), ("two", "one")):
        publish(registry, pack(open_scene(write(about("1.0.0", name, f'{other} = "*"') | BARE, [], name))))
    with pytest.raises(Conflict, match="circle"):
        install_from(town, SYSTEM, str(registry), "one", Order(trusting=True))


@pytest.mark.parametrize("index", ["", "[]", '{"scenes": [{"name": "../x"}]}', '{"scenes": 4}'])
def test_an_index_that_cannot_be_read_says_so(tmp_path: Path, index: str) -> None:
    (tmp_path / "index.json").write_text(index)
    with pytest.raises(BadInput, match="index"):
        read_index(str(tmp_path))


def test_an_author_publishes_from_the_command_line(write: Write, tmp_path: Path) -> None:
    run, folder = CliRunner(), write()
    assert run.invoke(app, ["keygen", str(tmp_path / "key")]).exit_code == 0
    assert run.invoke(app, ["publish", str(folder), "--to", str(tmp_path / "registry"), "--key", str(tmp_path / "key")]).exit_code == 0
    shown = run.invoke(app, ["list", "--registry", str(tmp_path / "registry")])
    assert "grove" in shown.output and "1.0.0" in shown.output
