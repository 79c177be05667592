"""Live pages: what changes is asked once for everybody who looks, and told to each; nobody is told what is another's."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from sanqu.ground.city import City
from sanqu.ground.ledger import integrate, read_entries
from sanqu.ground.people.askers import PUBLIC, SYSTEM
from sanqu.lake import Commit, lake_of
from sanqu.scenes.showing.asking import Reader, params_of
from sanqu.scenes.showing.live import follow, watches_of
from sanqu.scenes.showing.stages import stage_of
from sanqu.sharing.grants import Grant, ItemGrant, add_grant, withdraw_grant
from sanqu.sharing.kept import kept_answers
from tests.live.conftest import until
from tests.scenes.hall import Hall

PAGE = "/scenes/gallery/all"
BIG = "SELECT 1 AS id, '柯城区' AS county, '制造' AS class, DATE '2025-01-01' AS month, {value} AS value, 1::BIGINT AS staff"


def reader(hall: Hall, **given: str) -> Reader:
    """The public before the page of all components."""
    stage = stage_of(hall.city, "gallery")
    return Reader(hall.city, PUBLIC, stage, stage.page("all"), "zh", params_of(stage.page("all"), given))


def told(event: bytes) -> tuple[str, dict[str, object]]:
    """Kind and data of an event; a line that only says that somebody is there is none."""
    lines = dict(line.split(": ", 1) for line in event.decode().strip().splitlines() if ": " in line and not line.startswith(":"))
    return lines.get("event", ""), json.loads(lines.get("data", "{}"))


async def look(one: Reader, seen: dict[str, str], block: str, wanted: str, ready: asyncio.Semaphore) -> None:
    """Look until a block says what is wanted."""
    async for event in follow(one, {}, 0):
        kind, said = told(event)
        if kind == "begin":
            ready.release()
        if kind == "block":
            seen[str(said["id"])] = str(said["html"])
        if wanted in seen.get(block, ""):
            return


def test_two_hundred_viewers_are_one_query_per_change(hall: Hall) -> None:
    kept, queries = kept_answers(hall.city), stage_of(hall.city, "gallery").page("all").queries
    moved = [name for name, query in queries.items() if "gallery_output" in query.sql and name not in ("counties",)]

    async def crowd() -> tuple[int, int, int, list[dict[str, str]]]:
        viewers, ready = [dict[str, str]() for _ in range(200)], asyncio.Semaphore(0)
        async with asyncio.TaskGroup() as group:
            for seen in viewers:
                group.create_task(look(reader(hall), seen, "total", "7,000,000", ready))
            for _ in viewers:
                await ready.acquire()
            # The first look at what was there when they came.
            while watches_of(hall.city).viewers < 200 or not all("total" in seen for seen in viewers):
                await asyncio.sleep(0.02)
            watches = list(watches_of(hall.city).of.values())
            assert len(watches) == 1
            before, rounds, read = kept.asked, watches[0].rounds, noted(hall)
            total = sum(row[0] for row in rows(hall)) - rows(hall, "id = 1")[0][0]
            await asyncio.to_thread(hall.put, BIG.format(value=7_000_000 - total))
        return kept.asked - before, watches[0].rounds - rounds, noted(hall) - read, viewers

    asked, rounds, in_ledger, viewers = asyncio.run(crowd())
    assert rounds == 1
    assert asked == in_ledger == len(moved)
    assert all("7,000,000" in seen["total"] for seen in viewers)
    assert watches_of(hall.city).of == {}


def noted(hall: Hall) -> int:
    """How many reads of the output the ledger knows."""
    integrate(hall.city)
    return sum(entry.kind == "sharing.read" and entry.subject == "dataset:gallery-output" for entry in read_entries(hall.city, limit=5000))


def rows(hall: Hall, where: str = "true") -> list[tuple[float]]:
    """Values in the lake."""
    with lake_of(hall.city).engine() as duck:
        found: list[tuple[float]] = duck.execute(f"SELECT value FROM {lake_of(hall.city).at_snapshot('gallery-output', lake_of(hall.city).newest())} WHERE {where}").fetchall()
    return found


@contextmanager
def watching(site: str, cookies: dict[str, str], page: str) -> Iterator[list[tuple[str, dict[str, object]]]]:
    """What somebody is told over HTTP, in a thread of its own."""
    heard: list[tuple[str, dict[str, object]]] = []
    began, client = threading.Event(), httpx.Client(base_url=site, cookies=cookies, timeout=30)

    def listen() -> None:
        try:
            with client.stream("GET", f"{page}/live") as answer:
                kind = ""
                for line in answer.iter_lines():
                    if line.startswith("event: "):
                        kind = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        heard.append((kind, json.loads(line.removeprefix("data: "))))
                        began.set()
        except (httpx.HTTPError, OSError):
            pass

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert began.wait(20)
    yield heard
    client.close()
    thread.join(0.1)


def test_a_right_that_ends_ends_what_is_told(hall: Hall, serve: Callable[[City], str]) -> None:
    site, contract = serve(hall.city), lake_of(hall.city).contract("gallery-wages")
    with hall.city.db.connection() as conn:
        items = (ItemGrant(item="county"), ItemGrant(item="wage"))
        granted = add_grant(conn, SYSTEM, Grant(dataset="gallery-wages", assignee=f"user:{hall.officer.user_id}", items=items, purposes=("statistics",)), contract, "3308")
    with watching(site, hall.cookie(hall.officer), "/scenes/gallery/inside") as heard:
        until(lambda: any(kind == "block" and said["state"] == "shown" for kind, said in heard), 30)
        with hall.city.db.connection() as conn:
            withdraw_grant(conn, SYSTEM, granted.id)
        with lake_of(hall.city).engine() as duck:
            lake_of(hall.city).upsert("gallery-wages", "SELECT 1 AS id, '江山市' AS county, 123456789 AS wage", Commit("test"), duck=duck)
        until(lambda: heard[-1][0] == "block" and heard[-1][1]["state"] == "refused", 30)
    assert not any("123,456,789" in str(said.get("html")) for _kind, said in heard)


def test_who_comes_late_is_told_what_changed_since_they_read(hall: Hall, serve: Callable[[City], str]) -> None:
    site = serve(hall.city)
    hall.put(BIG.format(value=5))
    with watching(site, {}, PAGE) as heard:
        until(lambda: any(said.get("id") == "total" for _kind, said in heard), 30)


def test_who_does_not_take_what_they_are_told_is_told_the_newest_only(hall: Hall) -> None:
    async def slow() -> tuple[int, str]:
        events = follow(reader(hall), {}, 0)
        while "total" not in str(await anext(events)):
            pass
        (watch,) = watches_of(hall.city).of.values()
        (viewer,) = watch.viewers
        for value in (21, 22, 23):
            await asyncio.to_thread(hall.put, BIG.format(value=value))
            while "total" not in viewer.pending or viewer.pending["total"].snapshot < lake_of(hall.city).newest():
                await asyncio.sleep(0.02)
        kept, html = len(viewer.pending), viewer.pending["total"].html
        await events.aclose()
        return kept, html

    kept, html = asyncio.run(slow())
    blocks = stage_of(hall.city, "gallery").page("all").parts
    assert kept <= len(blocks)
    shown = re.search(r'figure-value">([\d,]+)', html)
    assert shown is not None
    assert float(shown[1].replace(",", "")) == pytest.approx(sum(row[0] for row in rows(hall)), abs=1)
