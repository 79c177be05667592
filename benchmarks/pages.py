"""Pages of scenes: a page of twelve blocks over ten million rows, and a live cockpit that two hundred look at."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from pathlib import Path

import httpx

from benchmarks.cities import fill_trips, scratch_city, scratch_home, trips_contract
from benchmarks.table import Row
from sanqu.ground.city import City
from sanqu.ground.people.askers import PUBLIC, SYSTEM
from sanqu.lake import Commit, lake_of
from sanqu.scenes.binding import same
from sanqu.scenes.installing import install
from sanqu.scenes.package import open_scene
from sanqu.scenes.showing.asking import Reader, params_of
from sanqu.scenes.showing.live import follow, watches_of
from sanqu.scenes.showing.stages import stage_of
from sanqu.sharing.kept import kept_answers

ROWS = 10_000_000
VIEWERS = 200
CHANGES = 5
ROUNDS = 7
SCENE = 'name = "trips"\nversion = "1.0.0"\ntitle = { zh = "行程", en = "Trips" }\n'
HEAD = '+++\ntitle = { zh = "行程", en = "Trips" }\n+++\n'
# Each block another aggregate: by place, day, hour of the fare, and mixtures of them.
BLOCKS: tuple[tuple[str, str, str], ...] = (
    ("figure", "SELECT count(*) AS v FROM trips", "value=v"),
    ("figure", "SELECT sum(km) AS v FROM trips", "value=v"),
    ("figure", "SELECT avg(fare) AS v FROM trips WHERE night", "value=v"),
    ("bar", "SELECT county, sum(fare) AS v FROM trips GROUP BY county ORDER BY v DESC", "x=county y=v"),
    ("line", "SELECT date_trunc('month', day) AS m, sum(fare) AS v FROM trips GROUP BY m ORDER BY m", "x=m y=v"),
    ("area", "SELECT date_trunc('quarter', day) AS m, county, sum(km) AS v FROM trips GROUP BY m, county ORDER BY m, county", "x=m y=v series=county"),
    ("pie", "SELECT county, sum(people) AS v FROM trips GROUP BY county ORDER BY county", "name=county value=v"),
    ("heat", "SELECT year(day) AS y, county, avg(km) AS v FROM trips GROUP BY y, county ORDER BY y, county", "x=y y=county value=v"),
    ("table", "SELECT county, count(*) AS n, avg(fare) AS fare, max(km) AS km FROM trips GROUP BY county ORDER BY county", ""),
    ("bar", "SELECT floor(fare / 10) AS f, count(*) AS v FROM trips GROUP BY f ORDER BY f", "x=f y=v"),
    ("line", "SELECT day, count(*) AS v FROM trips GROUP BY day ORDER BY day", "x=day y=v"),
    ("radar", "SELECT people, avg(fare) AS v FROM trips GROUP BY people ORDER BY people", "name=people value=v"),
)


def page_text() -> str:
    """The page of twelve blocks."""
    parts = [f"```sql q{n}\n{sql}\n```\n```{component} query=q{n} {told}\n```\n" for n, (component, sql, told) in enumerate(BLOCKS)]
    return HEAD + "".join(parts)


def put_scene(city: City, folder: Path) -> None:
    """Install the scene of the page; it reads the city's own dataset."""
    (folder / "pages").mkdir(parents=True)
    (folder / "scene.toml").write_text(SCENE, "utf-8")
    fields = [{"name": item.name, "type": item.type, "title": {"zh": item.name, "en": item.name}} for item in trips_contract().fields]
    package = {"name": "trips", "resources": [{"name": "trips", "title": {"zh": "行程", "en": "Trips"}, "schema": {"fields": fields, "primaryKey": "id"}}]}
    (folder / "datapackage.json").write_text(json.dumps(package), "utf-8")
    (folder / "pages" / "all.md").write_text(page_text(), "utf-8")
    install(city, SYSTEM, open_scene(folder), binding={"trips": same(lake_of(city).contract("trips"))}, steward="3308")


def read_once(client: httpx.Client) -> tuple[float, float]:
    """Seconds until the first byte and until the whole page."""
    begin = time.perf_counter()
    with client.stream("GET", "/scenes/trips/all") as answer:
        chunks = answer.iter_raw()
        next(chunks)
        first = time.perf_counter() - begin
        text = b"".join(chunks)
    if text.count(b"is-shown") != len(BLOCKS):
        raise SystemExit("not every block was shown")
    return first, time.perf_counter() - begin


def cold(city: City) -> None:
    """Forget every answer, as if the data had just moved; the processes that ask stay."""
    kept_answers(city).forget()


def served_here(city: City) -> tuple[str, object]:
    """The city's pages, in this process, so that its answers can be forgotten."""
    import socket
    import threading

    import uvicorn

    from sanqu.web.app import make_app

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(make_app(city), log_level="warning", timeout_graceful_shutdown=1))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return f"http://127.0.0.1:{listener.getsockname()[1]}", server


async def crowd(city: City) -> tuple[float, float]:
    """Queries of the door a change for one block, and the median seconds from a commit until all of the viewers were told."""
    stage = stage_of(city, "trips")
    reader = Reader(city, PUBLIC, stage, stage.page("all"), "zh", params_of(stage.page("all"), {}))
    told, rung = 0, asyncio.Event()

    async def look() -> None:
        nonlocal told
        async for event in follow(reader, {}, 0):
            if b'"figure_1"' in event:
                told += 1
                if told >= VIEWERS:
                    rung.set()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(look()) for _ in range(VIEWERS)]
        await rung.wait()
        before, took = kept_answers(city).asked, []
        for change in range(CHANGES):
            told = 0
            rung.clear()
            rows = f"SELECT {ROWS + change} AS id, '柯城区' AS county, 'X' AS plate, DATE '2024-01-01' AS day, 1.0 AS km, 1.0 AS fare, 1::BIGINT AS people, false AS night"
            await asyncio.to_thread(_write, city, rows)
            begin = time.perf_counter()
            await rung.wait()
            took.append(time.perf_counter() - begin)
        asked = kept_answers(city).asked - before
        watches = len(watches_of(city).of)
        for task in tasks:
            task.cancel()
    if watches != 1:
        raise SystemExit(f"{watches} watches instead of one")
    return asked / CHANGES / len(BLOCKS), statistics.median(took)


def _write(city: City, rows: str) -> None:
    with lake_of(city).engine() as duck:
        lake_of(city).upsert("trips", rows, Commit("bench"), duck=duck)


def run() -> list[Row]:
    """The table."""
    with scratch_home() as home, scratch_city(home) as city:
        fill_trips(city, ROWS)
        put_scene(city, home / "scene" / "trips")
        address, server = served_here(city)
        with httpx.Client(base_url=address, timeout=60) as client:
            read_once(client)
            warm = [read_once(client) for _ in range(ROUNDS)]
            anew = []
            for _ in range(ROUNDS):
                cold(city)
                anew.append(read_once(client))
        queries, told = asyncio.run(crowd(city))
        server.should_exit = True  # type: ignore[attr-defined]
    first, whole = (statistics.median(one[n] for one in warm) * 1e3 for n in (0, 1))
    head, full = statistics.median(one[0] for one in anew) * 1e3, statistics.median(one[1] for one in anew)
    return [
        Row("first byte, answers known", f"{first:.0f} ms", "—", "—", "< 150 ms", first < 150),
        Row("whole page, answers known", f"{whole:.0f} ms", "—", "—", "", None),
        Row("first byte, no answer known", f"{head:.0f} ms", "—", "—", "< 150 ms", head < 150),
        Row(f"whole page of 12 aggregates over {ROWS:,} rows, no answer known", f"{full:.2f} s", "—", "—", "< 1.5 s", full < 1.5),
        Row(f"{VIEWERS} viewers: queries for each block and change", f"{queries:.0f}", "—", "—", "1", queries == 1),
        Row(f"{VIEWERS} viewers: commit → all of them told of 12 blocks anew", f"{told:.2f} s", "—", "—", "", None),
    ]
