"""Servers of others that tests start for themselves: MariaDB, Mosquitto. A test that needs one that is not installed is skipped."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest

SERVER_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/usr/libexec"])


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mariadb_server(*options: str) -> Iterator[int]:
    """The port of a MariaDB of our own, with a user `root` without a password."""
    server = shutil.which("mariadbd", path=SERVER_PATH) or shutil.which("mysqld", path=SERVER_PATH)
    install = shutil.which("mariadb-install-db", path=SERVER_PATH) or shutil.which("mysql_install_db", path=SERVER_PATH)
    if server is None or install is None:
        pytest.skip("mariadbd and mariadb-install-db are not installed (Debian: mariadb-server)")
    # A short path: the socket's is limited to a hundred characters or so.
    folder = Path(tempfile.mkdtemp(prefix="sanqu-maria-"))
    user = ["--user=root"] if os.geteuid() == 0 else []
    own = ["--no-defaults", f"--datadir={folder / 'data'}", *user]
    subprocess.run([install, *own, "--auth-root-authentication-method=normal"], check=True, capture_output=True)
    port = free_port()
    places = [f"--port={port}", f"--socket={folder / 's'}", f"--pid-file={folder / 'pid'}"]
    command = [server, *own, "--bind-address=127.0.0.1", *places, *options]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for_mariadb(port, child)
        yield port
    finally:
        child.terminate()
        child.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_mariadb(port: int, child: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            pymysql.connect(host="127.0.0.1", port=port, user="root", password="").close()
            return
        except pymysql.err.OperationalError:
            assert child.poll() is None and time.monotonic() < until, "MariaDB did not start"
            time.sleep(0.05)


@contextmanager
def mosquitto_server() -> Iterator[int]:
    """The port of a Mosquitto of our own, which takes anybody; it speaks MQTT 3.1.1 and 5."""
    server = shutil.which("mosquitto", path=SERVER_PATH)
    if server is None:
        pytest.skip("mosquitto is not installed (Debian: mosquitto)")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="sanqu-mosquitto-") as folder:
        conf = Path(folder) / "conf"
        conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        child = subprocess.Popen([server, "-c", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert child.poll() is None and time.monotonic() < until, "Mosquitto did not start"
                    time.sleep(0.05)
            yield port
        finally:
            child.terminate()
            child.wait(10)
