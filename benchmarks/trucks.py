"""Muck trucks: fifty times the article's positions through the scene's line, and an alarm until a browser shows it."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx
import orjson
from playwright.sync_api import Page

from benchmarks.browser import browsed
from benchmarks.cities import scratch_home, served, wait_until_at_rest
from benchmarks.live import wait_until_flowing
from benchmarks.table import Row
from sanqu.cli.opening import open_city
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.packs import find_pack
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.sessions import make_link
from sanqu.lake import Commit, lake_of
from sanqu.scenes.installing import install
from sanqu.scenes.package import find_scene, open_scene

# 433 trucks at five seconds are 87 positions a second. The sender and the browser work on the same cores as the city.
TRUCKS, ONCE = 435, 87
STEP = 0.05
ALARMS, APART_SECONDS = 8, 2.5
LINE = "muck-trucks-positions"


def run() -> list[Row]:
    """Send positions, let a truck dump every few seconds, and wait for each in a browser: at ten and at fifty times the article's rate."""
    with scratch_home() as home, tempfile.TemporaryDirectory() as folder, served(home, "--city", str(_pack(Path(folder)))) as (address, process, _), open_city(home) as city:
        key, link = _settle(city)
        wait_until_flowing(city, LINE)
        wait_until_at_rest(process)
        with _page(address, link) as page:
            return [row for times in (10, 50) for row in _measured(city, page, address, key, times)]


def _measured(city: City, page: Page, address: str, key: str, times: int) -> list[Row]:
    before = _there(city)
    with _load(address, key, ONCE * times) as load:
        time.sleep(5)
        took = [_alarm(page, load, number + 20 * times) for number in range(ALARMS)]
    arrived = _arrived(city, before + load.sent) - before
    rate, middle, worst = load.sent / load.seconds, statistics.median(took), max(took)
    return [
        Row(f"{times} times the rate: positions a second sent, and in the lake", f"{rate:,.0f} and {arrived / load.seconds:,.0f}", "", "", f"≥ {ONCE * times:,}", arrived == load.sent and rate >= ONCE * times * 0.98),
        Row(f"{times} times the rate: a truck dumps until the browser shows the alarm", f"median {middle:.2f} s, worst {worst:.2f} s", "", "", "< 1 s", worst < 1),
    ]


def _pack(folder: Path) -> Path:
    """A city with its units and nothing else."""
    shutil.copy(find_pack("quzhou") / "units.toml", folder / "units.toml")
    (folder / "city.toml").write_text('version = 1\ncode = "3308"\nlicence = "cc-by"\ntitle = { zh = "衢州", en = "Quzhou" }\n', "utf-8")
    return folder


def _settle(city: City) -> tuple[str, str]:
    """The scene, its trucks, a key that may push, a link that signs an administrator in."""
    with city.db.connection() as conn:
        person = conn.execute("SELECT id FROM person ORDER BY id LIMIT 1").fetchone()
        assert person is not None
        key = make_key(conn, SYSTEM, int(person["id"]), "bench")
        link = f"/sign-in/{make_link(conn, int(person['id']))}"
    install(city, SYSTEM, open_scene(find_scene("muck-trucks")), steward="3308")
    box = "ST_AsGeoJSON(ST_MakeEnvelope(118.0, 28.0, 120.0, 30.0))::VARCHAR"
    rows = {
        "truck-enterprises": "SELECT 'E1' AS enterprise, '企业' AS name, '柯城区' AS county, '330802' AS unit",
        "trucks": f"SELECT 'T' || n AS truck, '139' || lpad(n::VARCHAR, 8, '0') AS terminal, 'E1' AS enterprise, NULL AS driver, 'R' AS route FROM range({TRUCKS}) AS r(n)",
        "truck-roads": f"SELECT 'G' AS road, '国道' AS title, '国省道' AS class, 60 AS speed_limit, {box} AS shape",
        "truck-areas": "SELECT 'X' AS area, '消纳场' AS title, '消纳场' AS kind, ST_AsGeoJSON(ST_MakeEnvelope(118.5, 28.5, 118.51, 28.51))::VARCHAR AS shape",
        "truck-routes": f"SELECT 'R' AS route, '线路' AS title, NULL AS from_area, NULL AS to_area, 0 AS from_hour, 24 AS to_hour, DATE '2099-01-01' AS valid_until, {box} AS shape",
    }
    with lake_of(city).engine() as duck:
        for name, sql in rows.items():
            lake_of(city).upsert(name, sql, Commit("bench"), duck=duck)
    return key, link


class Load:
    """Positions that go through the line; a truck whose number is in `dumping` has its bed up."""

    def __init__(self, address: str, key: str, rate: int) -> None:
        self._rate = rate
        self._client = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"}, timeout=60)
        self.dumping: set[int] = set()
        # When the first position with its bed up went out, by truck (steady clock).
        self.up: dict[int, float] = {}
        self.sent, self.seconds, self._first = 0, 0.0, time.time()
        self.stopping = threading.Event()

    def work(self) -> None:
        """Send what is due every twentieth of a second."""
        began = time.time()
        while not self.stopping.is_set():
            due = int(self._rate * (time.time() - began + STEP)) - self.sent
            if due > 0:
                body = orjson.dumps([self._row(number) for number in range(self.sent, self.sent + due)])
                self._client.post(f"/api/live/{LINE}", content=body).raise_for_status()
                self.sent += due
            time.sleep(STEP / 2)
        self.seconds = time.time() - began

    def _row(self, number: int) -> dict[str, object]:
        truck, step = number % TRUCKS, number // TRUCKS
        if truck in self.dumping:
            self.up.setdefault(truck, time.monotonic())
        at = datetime.fromtimestamp(self._first + number / self._rate, CITY_ZONE).replace(tzinfo=None).isoformat()
        return {
            "terminal": f"139{truck:08}", "at": at, "lon": 118.8 + step * 1e-5, "lat": 28.9 + truck * 1e-4, "speed": 36.0, "direction": 90, "located": True, "load": "empty",
            "lift": int(truck in self.dumping), "cover": 0, "alarms": "",
        }  # fmt: skip


@contextmanager
def _load(address: str, key: str, rate: int) -> Iterator[Load]:
    load = Load(address, key, rate)
    thread = threading.Thread(target=load.work)
    thread.start()
    try:
        yield load
    finally:
        load.stopping.set()
        thread.join()


@contextmanager
def _page(address: str, link: str) -> Iterator[Page]:
    with browsed() as page:
        page.goto(f"{address}{link}")
        page.click("form button")
        page.goto(f"{address}/scenes/muck-trucks/live?lang=en")
        page.wait_for_selector("[data-live-status][data-live=yes]", timeout=30_000)
        yield page


def _alarm(page: Page, load: Load, number: int) -> float:
    """Seconds from the position with the bed up until the browser shows its alarm."""
    time.sleep(APART_SECONDS)
    truck = (number * 37 + 11) % TRUCKS
    load.dumping = {truck}
    page.wait_for_function(f"() => document.querySelector('[data-block=alarms]').textContent.includes('T{truck} of ')", polling=20, timeout=60_000)
    load.dumping = set()
    return time.monotonic() - load.up[truck]


def _arrived(city: City, wanted: int) -> int:
    """How many positions are in the lake, once as many are there as were wanted."""
    until = time.monotonic() + 60
    while (there := _there(city)) < wanted and time.monotonic() < until:
        time.sleep(0.5)
    return there


def _there(city: City) -> int:
    with lake_of(city).engine() as duck:
        found = duck.execute('SELECT count(*) FROM lake.main."truck-points"').fetchone()
    return int(found[0]) if found else 0
