"""`sanqu up`: the engines, the city's data, the web pages and its helpers, from one command."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from sanqu.cli.load import load_city
from sanqu.cli.logs import log_here
from sanqu.cli.main import without_collector
from sanqu.cli.opening import open_city
from sanqu.ground.city import City
from sanqu.ground.engines import Engines, clear_note, engines_of, hold_home, write_note
from sanqu.ground.errors import Conflict, SanquError
from sanqu.ground.i18n import Text
from sanqu.ground.people.sessions import make_link
from sanqu.ground.settings import Settings, load_settings
from sanqu.lake import lake_of
from sanqu.web.app import make_app

app = typer.Typer(add_completion=False)
log = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
# The pages come first: a helper takes as long to start as they do, on the same cores.
HEAD_START = 1.0


@app.command()
def up(
    home: Annotated[Path | None, typer.Option(help="数据文件夹 · the folder that holds everything the city keeps")] = None,
    port: Annotated[int | None, typer.Option(help="端口，0 为任取 · port; 0 takes a free one")] = None,
    host: Annotated[str | None, typer.Option(help="监听地址 · address to listen on")] = None,
    city: Annotated[str | None, typer.Option(help="城市包 · city pack to load")] = None,
    worker: Annotated[bool | None, typer.Option(help="启动后台 · start a background worker")] = None,
) -> None:
    """启动城市 · Start the city and keep it running until Ctrl-C.

    例 · e.g.  sanqu up --home city --port 8000
    """
    settings = load_settings({"home": home, "port": port, "host": host, "city": city, "worker": worker})
    log_here(settings.log_level.upper())
    # uvicorn passes a signal on once its pages are closed; as an exception it closes the engines too.
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    with hold_home(settings.home), _listening(settings) as listener, engines_of(settings) as engines:
        url = _url(settings, listener)
        write_note(settings.home, engines, url)
        try:
            with open_city(settings.home, **_flags(settings)) as opened:
                _serve(opened, engines, listener, url)
        finally:
            clear_note(settings.home)


def _stop(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def _flags(settings: Settings) -> dict[str, object]:
    return {"city": settings.city, "host": settings.host, "port": settings.port, "worker": settings.worker}


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """The socket of the web pages, taken before anything slow is done."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as fault:
        listener.close()
        raise Conflict(
            "up.port-taken",
            Text(zh=f"端口 {settings.port} 已被占用", en=f"Port {settings.port} is taken"),
            Text(zh="换一个 --port，或用 --port 0 任取一个", en="Use another --port, or --port 0 for a free one"),
            f"{settings.host}:{settings.port}",
        ) from fault
    with listener:
        yield listener


def _url(settings: Settings, listener: socket.socket) -> str:
    return settings.public_url.rstrip("/") or f"http://{settings.host}:{listener.getsockname()[1]}"


def _serve(city: City, engines: Engines, listener: socket.socket, url: str) -> None:
    newcomer = load_city(city, _say)
    # While the pages are put together, so that the first reader need not wait for it.
    threading.Thread(target=_open_lake, args=(city,), name="sanqu-lake", daemon=True).start()
    with without_collector():
        application = make_app(city)
    # From here on a request waits in the queue instead of being refused.
    listener.listen(1024)
    with _helpers(city, engines):
        _say("")
        _say(f"  {url}")
        if newcomer is not None:
            with city.db.connection() as conn:
                token = make_link(conn, newcomer)
            _say(f"  管理员一次性登录 · one-time sign-in for the administrator:\n  {url}/sign-in/{token}")
        _say("  Ctrl-C 停止 · stops the city\n")
        config = uvicorn.Config(
            application,
            log_level="warning",
            access_log=False,
            proxy_headers=city.settings.trust_proxy,
            timeout_graceful_shutdown=5,
            server_header=False,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _open_lake(city: City) -> None:
    try:
        with lake_of(city).engine():
            pass
    except SanquError as fault:
        log.warning("%s", fault)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@contextmanager
def _helpers(city: City, engines: Engines) -> Iterator[None]:
    """The background worker and the live lines beside the web pages, each started again when it dies."""
    wanted = [name for name, on in (("worker", city.settings.worker), ("live", city.settings.live)) if on]
    helpers = [_Helper(name, city, engines) for name in wanted]
    for helper in helpers:
        helper.start()
    try:
        yield
    finally:
        for helper in helpers:
            helper.stop()


class _Helper:
    """A child of this process, `sanqu worker` or `sanqu live`, and the thread that keeps it going."""

    def __init__(self, name: str, city: City, engines: Engines) -> None:
        self._name = name
        self._log_file = city.settings.home / "run" / f"{name}.log"
        self._environment = os.environ | {"SANQU_DATABASE_URL": engines.database_url, "SANQU_NATS_URL": engines.nats_url}
        self._command = [sys.executable, "-m", "sanqu", name, "--home", str(city.settings.home), "--parent", str(os.getpid())]
        self._stopping = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the child, and again whenever it dies."""
        threading.Thread(target=self._keep, name=f"sanqu-{self._name}", daemon=True).start()

    def _keep(self) -> None:
        pause = 1.0
        self._stopping.wait(HEAD_START)
        while not self._stopping.is_set():
            with self._log_file.open("ab") as out:
                child = subprocess.Popen(self._command, env=self._environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
            self._child = child
            if self._stopping.is_set():
                child.terminate()
            began = time.monotonic()
            child.wait()
            if not self._stopping.is_set():
                log.warning("%s stopped (%s) and is started again; see %s", self._name, child.returncode, self._log_file)
                # One that cannot start is tried ever less often; one that did its work for a while comes back at once.
                pause = 1.0 if time.monotonic() - began > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
                self._stopping.wait(pause)

    def stop(self) -> None:
        """Ask the child to stop; kill it when it does not."""
        self._stopping.set()
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(20)
            except subprocess.TimeoutExpired:
                self._child.kill()
