"""A whole city as `sanqu up` runs it, beside sources of others, and the ways in which each of its parts can die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from sanqu.ground.bus import Bus
from sanqu.ground.city import City
from sanqu.ground.database import Database
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from sanqu.ground.settings import Settings

PACK = """
version = 1
code = "330800"
title = { zh = "试验市", en = "Trial" }
"""


class Town:
    """A city in a folder of its own; `start` again after any death goes on where it was."""

    def __init__(self, folder: Path, port: int) -> None:
        self.home, self.port = folder / "home", port
        self._pack = folder / "pack"
        self._pack.mkdir(parents=True)
        (self._pack / "city.toml").write_text(PACK)
        self._log = (folder / "up.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self._city: City | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the city and wait until it answers."""
        command = [sys.executable, "-m", "sanqu", "up", "--home", str(self.home), "--port", str(self.port), "--city", str(self._pack)]
        environment = {**os.environ, "SANQU_MEMORY_LIMIT": "1GB"}
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log, env=environment)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            assert self._process.poll() is None, "the city did not start"
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200:
                    break
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop the city as Ctrl-C does."""
        if self._city is not None:
            self._city.close()
            self._city = None
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(40)
            self._process.kill()

    def look(self) -> City:
        """The city as another process sees it."""
        if self._city is None:
            noted = json.loads((self.home / "run" / "engines.json").read_text())
            settings = Settings(home=self.home, database_url=noted["database_url"], nats_url=noted["nats_url"], memory_limit="1GB")
            self._city = City(settings, Database(settings.database_url), Bus(""))
        return self._city

    def look_anew(self) -> City:
        """Like `look`, with no connection from before."""
        if self._city is not None:
            self._city.close()
            self._city = None
        return self.look()

    def _pid(self, sign: str) -> int | None:
        """The process of the city whose command line holds `sign`."""
        assert self._process is not None
        with suppress(psutil.Error):
            for one in [psutil.Process(self._process.pid), *psutil.Process(self._process.pid).children(recursive=True)]:
                if sign in " ".join(one.cmdline()):
                    return int(one.pid)
        return None

    def _find(self, what: str) -> int | None:
        if what == "all":
            assert self._process is not None
            return self._process.pid
        if what == "nats":
            return int(json.loads((self.home / "nats" / "running.json").read_text())["pid"])
        if what in ("postgres", "backend"):
            main = int((self.home / "postgres" / "postmaster.pid").read_text().splitlines()[0])
            backends = [one.pid for one in psutil.Process(main).children() if "[local]" in " ".join(one.cmdline())]
            return main if what == "postgres" or not backends else int(backends[len(backends) // 2])
        return self._pid(f"sanqu {what}")

    def kill(self, what: str) -> None:
        """Kill a part without a word: live, worker, nats, postgres, backend, or all (the city's first process)."""
        # What was killed a moment ago may not be there again yet.
        with suppress(ProcessLookupError, psutil.Error, OSError):
            pid = self._find(what)
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
        if what == "all":
            assert self._process is not None
            self._process.wait()
            self.start()


def key_of(city: City) -> str:
    """A key of the administrator."""
    with city.db.connection() as conn:
        row = conn.execute("SELECT id FROM person ORDER BY id LIMIT 1").fetchone()
        assert row is not None
        return make_key(conn, SYSTEM, int(row["id"]), "chaos")
