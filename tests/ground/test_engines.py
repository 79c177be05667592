"""What a killed city leaves behind does not stand in the way of the next, nor of another on the same machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from sanqu.ground.broker import start_nats
from sanqu.ground.bus import Bus
from sanqu.ground.city import City
from sanqu.ground.database import Database
from sanqu.ground.engines import Engines, hold_home, running_city, start_postgres, write_note
from sanqu.ground.errors import Conflict
from sanqu.ground.ledger.checkpoint import signer_of
from sanqu.ground.settings import Settings

ENGINES = Engines("postgresql:///gone", "nats://127.0.0.1:1")


def test_the_note_of_a_killed_city_is_not_believed_though_its_number_lives_again(tmp_path: Path) -> None:
    # In a container every city has the same process number: here, ours.
    with hold_home(tmp_path):
        write_note(tmp_path, ENGINES, "http://127.0.0.1:8000")
        assert running_city(tmp_path) is not None
        left = (tmp_path / "run" / "engines.json").read_bytes()
    (tmp_path / "run" / "engines.json").write_bytes(left)
    assert running_city(tmp_path) is None
    with hold_home(tmp_path):
        assert running_city(tmp_path) is None


def test_a_killed_postgres_is_started_again_though_another_process_has_its_number(tmp_path: Path) -> None:
    _, server = start_postgres(tmp_path)
    note = tmp_path / "postgres" / "postmaster.pid"
    left_behind = note.read_text()
    server.cleanup()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        note.write_text("\n".join([str(stranger.pid), *left_behind.split("\n")[1:]]))
        url, again = start_postgres(tmp_path)
        try:
            with psycopg.connect(url) as conn:
                assert conn.execute("SELECT 1").fetchone() == (1,)
            assert stranger.poll() is None
        finally:
            again.cleanup()


def test_a_postgres_that_runs_is_joined(tmp_path: Path) -> None:
    url, server = start_postgres(tmp_path)
    try:
        joined, _ = start_postgres(tmp_path)
        assert joined == url
        with psycopg.connect(joined) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.cleanup()


def test_a_home_is_held_by_one_and_the_other_is_told_where(tmp_path: Path) -> None:
    with hold_home(tmp_path):
        write_note(tmp_path, ENGINES, "http://127.0.0.1:8000")
        with pytest.raises(Conflict) as caught, hold_home(tmp_path):
            pass
    assert "http://127.0.0.1:8000" in caught.value.in_("en")


def test_the_nats_of_another_home_is_not_joined(tmp_path: Path) -> None:
    url, process = start_nats(tmp_path / "one")
    assert process is not None
    try:
        assert start_nats(tmp_path / "one") == (url, None)
        other = tmp_path / "two" / "nats"
        other.mkdir(parents=True)
        (other / "running.json").write_text(json.dumps({"pid": process.pid, "url": url}))
        url_of_other, own = start_nats(tmp_path / "two")
        assert own is not None
        own.terminate()
        own.wait(10)
        assert url_of_other != url
    finally:
        process.terminate()
        process.wait(10)


def test_processes_that_first_need_the_signing_key_at_once_get_the_same(tmp_path: Path) -> None:
    def public(_: int) -> bytes:
        return signer_of(City(Settings(home=tmp_path), Database(""), Bus(""))).public

    for _ in range(10):
        with ThreadPoolExecutor(8) as processes:
            assert len(set(processes.map(public, range(8)))) == 1
        file = tmp_path / "keys" / "ledger.key"
        assert file.stat().st_mode & 0o777 == 0o600
        assert os.listdir(file.parent) == ["ledger.key"]
        file.unlink()
