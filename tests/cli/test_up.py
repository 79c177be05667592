"""`sanqu up` in processes of its own: it comes up, it is killed without warning, it comes up again with nothing lost."""

from __future__ import annotations

import csv
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

ROWS = 400_000
CITY = """
version = 1
code = "3308"
title = { zh = "小城", en = "Small city" }
[[subject]]
name = "traffic"
title = { zh = "交通", en = "Traffic" }
"""
CONTRACT = """
name = "trips"
title = { zh = "行程", en = "Trips" }
steward = "3308"
subject = "traffic"
primaryKey = ["id"]
[[fields]]
name = "id"
type = "integer"
constraints = { required = true }
[[fields]]
name = "km"
type = "number"
constraints = { minimum = 0 }
"""
LINE = """
name = "trips"
dataset = "trips"
[source]
kind = "file"
path = "data/*.csv"
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A city pack of one dataset, gathered from four files with a bad row in each."""
    folder = tmp_path / "small"
    for name, text in (("city.toml", CITY), ("datasets/trips.toml", CONTRACT), ("lines/trips.toml", LINE)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    (folder / "data").mkdir()
    for part in range(4):
        with (folder / "data" / f"{part}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "km"])
            first = part * ROWS // 4
            writer.writerows([i, -1 if i == first else i % 90] for i in range(first, first + ROWS // 4))
    return folder


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sanqu", "up", "--home", str(home), "--port", "0", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def address(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    said = []
    for line in child.stdout:
        said.append(line)
        if found := re.match(r"\s*(http://[\d.:]+)\s*$", line):
            return found[1]
    raise AssertionError("".join(said))


def engines_under(home: Path) -> list[psutil.Process]:
    """Every process that works for the city in `home`, whoever its parent is now."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(home) in word for word in process.info["cmdline"] or []) and process.pid != os.getpid()
    ]


@contextmanager
def running(home: Path, *arguments: str) -> Iterator[str]:
    child = start(home, *arguments)
    try:
        yield address(child)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(40)
        if child.stdout:
            child.stdout.close()


def sanqu(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "sanqu", *arguments], capture_output=True, text=True, check=False)


def count(base: str) -> int:
    return int(httpx.get(f"{base}/api/open/trips?count=exact&limit=1", timeout=30).json()["count"])


def test_a_city_comes_up_gathers_and_stops_without_leaving_anything_running(pack: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running(home, "--city", str(pack)) as base:
        assert "小城" in httpx.get(base).text
        assert count(base) == ROWS - 4
        second = sanqu("up", "--home", str(home), "--port", "0")
        assert second.returncode == 1
        assert base in second.stderr
    assert engines_under(home) == []
    assert sanqu("ledger", "verify", "--home", str(home)).returncode == 0
    assert engines_under(home) == []


def test_the_whole_tree_is_killed_in_the_middle_of_a_line_and_nothing_is_lost_or_doubled(pack: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    child = start(home, "--city", str(pack), "--no-worker")
    until = time.monotonic() + 60
    while not list((home / "lake").rglob("*.parquet")) and time.monotonic() < until:
        time.sleep(0.005)
    for process in [*engines_under(home), psutil.Process(child.pid)]:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    child.wait()
    while engines_under(home):
        time.sleep(0.05)
    with running(home, "--city", str(pack), "--no-worker") as base:
        assert count(base) == ROWS - 4
        verdict = sanqu("ledger", "verify", "--home", str(home))
        assert verdict.returncode == 0, verdict.stdout
    again = sanqu("line", "run", "trips", "--home", str(home))
    assert again.returncode == 0, again.stderr
    listed = sanqu("lake", "list", "--home", str(home))
    assert f"{ROWS - 4:,}" in listed.stdout


def test_a_port_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = str(other.getsockname()[1])
        refused = sanqu("up", "--home", str(tmp_path / "home"), "--port", taken)
    assert refused.returncode == 1
    assert taken in refused.stderr
    assert "--port" in refused.stderr


@pytest.mark.parametrize(
    "command",
    [["up"], ["worker"], ["line", "run"], ["line", "add"], ["catalog", "search"], ["ledger", "prove"], ["people", "link"]],
)
def test_every_command_shows_an_example(command: list[str]) -> None:
    shown = sanqu(*command, "--help").stdout
    assert "e.g." in shown
    assert f"sanqu {command[0]}" in shown
