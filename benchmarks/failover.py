"""A row that changes at its source, seen in a browser that is not reloaded, under load and while processes are killed."""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import psycopg
from playwright.sync_api import Page

from benchmarks.browser import browsed
from benchmarks.cities import scratch_home, served
from benchmarks.live import Send, make_line, pusher, source_table, wait_until_flowing
from benchmarks.table import Row
from sanqu.cli.opening import open_city
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key

LOAD_ROWS = 500
TIMES = 6
APART_SECONDS = 8.0


def run() -> list[Row]:
    """Change a row of a PostgreSQL source again and again while 5,000 rows/s go through another line and processes die."""
    with scratch_home() as home, served(home) as (address, _, _), open_city(home) as city, source_table(["seen"]) as url:
        with city.db.connection() as conn:
            person = conn.execute("SELECT id FROM person ORDER BY id LIMIT 1").fetchone()
            assert person is not None
            key = make_key(conn, SYSTEM, int(person["id"]), "bench")
        make_line(city, "load", kind="push")
        make_line(city, "seen", kind="postgres", url=url, table="seen")
        wait_until_flowing(city, "seen")
        with _standing_by(home), _load(pusher(address, key, "load")) as sent, psycopg.connect(url, autocommit=True) as source, _page(address) as page:
            source.execute("INSERT INTO seen VALUES (1, '衢江', 1, 0), (2, '江山', 2, 0)")
            change = _changer(page, source)
            change()
            rows = [_figures("nothing dies", [change() for _ in range(TIMES)])]
            for what, of in (("sanqu live", _live), ("the other sanqu live", _live), ("NATS", _nats)):
                time.sleep(APART_SECONDS)
                for victim in of(home)[:1]:
                    victim.kill()
                rows.append(_figures(f"{what} is killed", [change() for _ in range(TIMES)]))
            stayed = bool(page.evaluate("window.stayed"))
        there = _count(address, sent[0])
    rows.append(Row("rows sent beside it, and rows there", f"{sent[0]:,} and {there:,}", "", "", "the same", there == sent[0]))
    rows.append(Row("the page was never loaded anew", "yes" if stayed else "no", "", "", "", stayed))
    return rows


def _figures(what: str, took: list[float]) -> Row:
    first, after = took[0], statistics.median(took[1:])
    return Row(f"a change until it is seen, {what}", f"the first {first:.2f} s, then {after:.2f} s", "", "", "then < 1 s", after < 1)


@contextmanager
def _standing_by(home: Path) -> Iterator[None]:
    """Another process for live lines, which takes over from one that dies."""
    with subprocess.Popen(
        [sys.executable, "-m", "sanqu", "live", "--home", str(home)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        time.sleep(APART_SECONDS)
        try:
            yield
        finally:
            child.kill()


@contextmanager
def _load(send: Send) -> Iterator[list[int]]:
    """Rows through another line as long as the block lasts; how many were taken."""
    taken, stopping = [0], threading.Event()

    def work() -> None:
        while not stopping.is_set():
            try:
                send(taken[0], LOAD_ROWS, time.time())
                taken[0] += LOAD_ROWS
            except httpx.HTTPError:
                # The same rows again: what was kept already is the same by its key.
                time.sleep(0.2)
            time.sleep(0.1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield taken
    finally:
        stopping.set()
        thread.join()


@contextmanager
def _page(address: str) -> Iterator[Page]:
    with browsed() as page:
        page.goto(f"{address}/datasets/seen?tab=live")
        page.wait_for_selector("[data-status][data-live=yes]", timeout=30_000)
        page.evaluate("window.stayed = true")
        yield page


def _changer(page: Page, source: psycopg.Connection) -> Callable[[], float]:
    numbers = itertools.count(100)

    def change() -> float:
        """Seconds from a change at the source until the browser shows it."""
        number, began = next(numbers), time.monotonic()
        source.execute("UPDATE seen SET value = %s WHERE id = 2", (number,))
        page.get_by_role("cell", name=str(number), exact=True).wait_for(timeout=60_000)
        return time.monotonic() - began

    return change


def _live(home: Path) -> list[psutil.Process]:
    return [one for one in _of(home) if "live" in (one.info["cmdline"] or [])]


def _nats(home: Path) -> list[psutil.Process]:
    return [one for one in _of(home) if "nats-server" in str(one.info["cmdline"][0])]


def _of(home: Path) -> list[psutil.Process]:
    return [one for one in psutil.process_iter(["cmdline"]) if str(home) in " ".join(one.info["cmdline"] or [])]


def _count(address: str, wanted: int) -> int:
    there, until = -1, time.monotonic() + 60
    while there != wanted and time.monotonic() < until:
        there = int(httpx.get(f"{address}/api/open/load", params={"limit": 1, "count": "exact"}, timeout=60).json()["count"])
        time.sleep(0.2)
    return there
