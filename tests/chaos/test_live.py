"""Live lines while things die: whatever is killed, whenever, the lake ends as its sources end, each row once.

`SANQU_CHAOS_ROUNDS=50 ./sanqu test tests/chaos` is the nightly form; `SANQU_CHAOS_SEED` makes a run again.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pymysql
import pytest
from psycopg import sql

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.engines import start_postgres
from sanqu.ground.errors import SanquError
from sanqu.ground.ledger.verify import verify
from sanqu.ground.people.askers import SYSTEM
from sanqu.lake import Contract, lake_of
from sanqu.lines.keeping import save_line
from sanqu.lines.live.standing import standings
from sanqu.lines.records import Line
from sanqu.sharing.interfaces import Interface, switch_on
from sanqu.sharing.mirror import mirror_table
from tests.chaos.town import Town, key_of
from tests.servers import free_port, mariadb_server
from tests.sharing.test_subscriptions import Receiver

ROUNDS = int(os.environ.get("SANQU_CHAOS_ROUNDS", "5"))
SEED = int(os.environ.get("SANQU_CHAOS_SEED", "20261126"))
SUBSCRIBED = ("pushed", "followed")
FAULTS = ("live", "live", "nats", "postgres", "backend", "all", "worker", "source")
FIELDS = [{"name": "id", "type": "integer"}, {"name": "value", "type": "number", "constraints": {"minimum": 0}}, {"name": "note", "type": "string"}]


def contract(name: str, *, keyed: bool = True) -> dict[str, Any]:
    return {"name": name, "title": {"zh": name}, "description": {"zh": name}, "steward": "330800", "grade": "L1", "opening": "unconditional",
            "primaryKey": ["id"] if keyed else [], "fields": FIELDS}  # fmt: skip


class Writers:
    """Programs that go on writing to the sources, whatever happens to the city."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self._stopping = chance, threading.Event()
        self._threads: list[threading.Thread] = []

    def add(self, step: Callable[[random.Random], None], pause: float) -> None:
        chance = random.Random(self._chance.random())

        def work() -> None:
            while not self._stopping.is_set():
                with suppress(psycopg.Error, pymysql.Error, httpx.HTTPError, OSError):
                    step(chance)
                time.sleep(pause)

        self._threads.append(threading.Thread(target=work, daemon=True))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)


class Pushes:
    """A device that sends each row until it is accepted, now and then twice, and knows what was."""

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=10)
        self._number = 0
        self.accepted: dict[int, float] = {}

    def step(self, chance: random.Random) -> None:
        rows = [{"id": self._number + n, "value": chance.randrange(1000), "note": "推送"} for n in range(chance.randrange(1, 20))]
        self._number += len(rows)
        for _ in range(200):
            with suppress(httpx.HTTPError):
                answer = self._client.post("/api/live/pushed", json=rows, headers={"Idempotency-Key": f"k{rows[0]['id']}"})
                if answer.status_code == 202:
                    self.accepted |= {int(row["id"]): float(row["value"]) for row in rows}
                    if chance.random() < 0.1:
                        self._client.post("/api/live/pushed", json=rows, headers={"Idempotency-Key": f"k{rows[0]['id']}"})
                    return
            time.sleep(0.1)


class Subscriber:
    """A department's program with a copy of each dataset it is told of; now and then it fails, before or after it took something."""

    def __init__(self, town: Town, chance: random.Random) -> None:
        self.copies: dict[str, dict[int, tuple[Any, ...]]] = {name: {} for name in SUBSCRIBED}
        self._chance, self._taking = chance, threading.Lock()
        self._town = town
        self.receiver = Receiver()
        self.receiver.answer = self._answer

    def _answer(self, number: int) -> tuple[int, dict[str, str]]:
        with self._taking:
            if self._chance.random() < 0.05 or not self._take(json.loads(self.receiver.got[number - 1][1])):
                return 500, {}
            return (500 if self._chance.random() < 0.05 else 204), {}

    def _take(self, said: dict[str, Any]) -> bool:
        told = said["data"]
        copy = self.copies[told["dataset"]]
        if told["reload"]:
            held = rows_of(self._town, told["dataset"])
            if held is None:
                return False
            copy.clear()
            copy.update({row[0]: row for row in held})
        for change in told["changes"]:
            row = change["row"]
            if change["op"] == "put":
                copy[row["id"]] = (row["id"], row["value"], row["note"])
            else:
                copy.pop(row["id"], None)
        return True

    def rows(self, name: str) -> list[tuple[Any, ...]]:
        with self._taking:
            return sorted(self.copies[name].values())


def copied_rows(town: Town, name: str) -> list[tuple[Any, ...]]:
    """What the lookup copy of a dataset holds."""
    query = sql.SQL("SELECT id, value, note FROM {} ORDER BY 1").format(mirror_table(name))
    with suppress(psycopg.Error, SanquError, OSError):
        return [tuple(row.values()) for row in town.look().db.all(query)]
    with suppress(psycopg.Error, SanquError, OSError):
        return [tuple(row.values()) for row in town.look_anew().db.all(query)]
    return []


def subscribe(town: Town, key: str, subscriber: Subscriber) -> None:
    """Each dataset brought to the subscriber, and copied for look-ups."""
    for name in SUBSCRIBED:
        wish = {"dataset": name, "kind": "webhook", "target": subscriber.receiver.url, "after": 0}
        httpx.post(f"{town.url}/api/subscriptions", json=wish, headers={"Authorization": key}, timeout=20).raise_for_status()
        with town.look().db.connection() as conn:
            switch_on(conn, SYSTEM, name, Contract.from_descriptor(contract(name)), Interface())


def checksum(rows: list[tuple[Any, ...]]) -> str:
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def sql_step(execute: Callable[[str], Any], transaction: tuple[str, str]) -> Callable[[random.Random], None]:
    """A transaction of a few changes."""

    def step(chance: random.Random) -> None:
        execute(transaction[0])
        for _ in range(chance.randrange(1, 8)):
            number = chance.randrange(400)
            which = chance.random()
            if which < 0.5:
                execute(f"DELETE FROM t WHERE id = {number}")
                execute(f"INSERT INTO t VALUES ({number}, {chance.randrange(100)}, 'n{chance.randrange(9)}')")
            elif which < 0.8:
                execute(f"UPDATE t SET value = value + 1 WHERE id % 17 = {number % 17}")
            else:
                execute(f"DELETE FROM t WHERE id = {number}")
        execute(transaction[1] if chance.random() < 0.9 else "ROLLBACK")

    return step


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below pytest's own: another test run on this machine closes that to the user as whom PostgreSQL starts again."""
    made = Path(tempfile.mkdtemp(prefix="sanqu-chaos-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def town(folder: Path) -> Iterator[Town]:
    made = Town(folder / "town", free_port())
    made.start()
    yield made
    made.stop()


def rows_of(town: Town, name: str) -> list[tuple[Any, ...]] | None:
    """What the lake holds, None while it cannot be read."""
    for city in (town.look, town.look_anew):
        with suppress(Exception), lake_of(city()).engine() as duck:
            return duck.execute(f'SELECT id, value, note FROM lake.main."{name}" ORDER BY 1, 2, 3').fetchall()
    return None


def wait_for(town: Town, name: str, wanted: Callable[[], list[tuple[Any, ...]]], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while True:
        there, here = rows_of(town, name), wanted()
        if there == here:
            return
        if time.monotonic() > end:
            with suppress(SanquError, psycopg.Error):
                print({one.line: (one.state, one.cause, one.position, one.backlog) for one in standings(town.look()).values()})
            missing, extra = set(here) - set(there or []), set(there or []) - set(here)
            pytest.fail(f"{name}: {len(missing)} rows are missing {sorted(missing)[:5]}, {len(extra)} too many {sorted(extra)[:5]}, "
                        f"{len(there or []) - len(set(there or []))} doubled")  # fmt: skip
        time.sleep(0.3)


class Source:
    """A department's PostgreSQL, which may go away for a while."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url, self._server = start_postgres(folder)
        self._conn: psycopg.Connection | None = None
        self.execute("CREATE TABLE t (id int PRIMARY KEY, value float8, note text)")
        self.execute("INSERT INTO t SELECT n, n, 'first' FROM generate_series(1, 200) n")

    def execute(self, query: str) -> list[tuple[Any, ...]]:
        if self._conn is None or self._conn.closed:
            self._conn = psycopg.connect(self.url, autocommit=True)
        answered = self._conn.execute(query)
        return answered.fetchall() if answered.description else []

    def rows(self) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as conn:
            return conn.execute("SELECT id, value, note FROM t ORDER BY 1").fetchall()

    def go_away(self, seconds: float) -> None:
        self._server.cleanup()
        time.sleep(seconds)
        self.url, self._server = start_postgres(self._folder)

    def close(self) -> None:
        self._server.cleanup()


def make_lines(city: City, postgres_url: str, mysql_port: int) -> None:
    said: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (contract("pushed"), {"kind": "push"}),
        (contract("followed"), {"kind": "postgres", "url": postgres_url, "table": "t"}),
        (contract("harbour"), {"kind": "mysql", "url": f"mysql://root:@127.0.0.1:{mysql_port}/harbour", "table": "t"}),
    ]
    for told, source in said:
        register_contract(city, Contract.from_descriptor(told), "test", state="published")
        line = {"name": told["name"], "dataset": told["name"], "mode": "upsert", "source": source, "lane": "governance"}
        save_line(city, Line.from_descriptor(line), SYSTEM)


def test_nothing_is_lost_or_doubled_whatever_dies(town: Town, folder: Path) -> None:
    chance = random.Random(SEED)
    source = Source(folder / "source")
    with mariadb_server("--log-bin=b", "--binlog-format=ROW", "--binlog-row-image=FULL", "--server-id=1") as port:
        harbour = pymysql.connect(host="127.0.0.1", port=port, user="root", password="", autocommit=True)
        cursor = harbour.cursor()
        for query in ("CREATE DATABASE harbour CHARACTER SET utf8mb4", "USE harbour", "CREATE TABLE t (id INT PRIMARY KEY, value DOUBLE, note VARCHAR(20))"):
            cursor.execute(query)
        make_lines(town.look(), source.url, port)
        key, subscriber = key_of(town.look()), Subscriber(town, random.Random(SEED + 1))
        subscribe(town, key, subscriber)
        pushes, writers = Pushes(town.url, key), Writers(chance)

        def harbour_rows() -> list[tuple[Any, ...]]:
            with pymysql.connect(host="127.0.0.1", port=port, user="root", password="", database="harbour") as conn, conn.cursor() as reading:
                reading.execute("SELECT id, value, note FROM t ORDER BY 1")
                return list(reading.fetchall())

        writers.add(pushes.step, 0.01)
        writers.add(sql_step(source.execute, ("BEGIN", "COMMIT")), 0.01)
        writers.add(sql_step(cursor.execute, ("BEGIN", "COMMIT")), 0.01)
        writers.start()
        for number in range(ROUNDS):
            time.sleep(chance.uniform(0.5, 2.5))
            fault = FAULTS[chance.randrange(len(FAULTS))]
            print(f"{time.strftime('%H:%M:%S')} round {number + 1} of {ROUNDS}: {fault}", flush=True)
            if fault == "source":
                source.go_away(chance.uniform(0.5, 3))
            else:
                town.kill(fault)
        writers.stop()
        print(f"{time.strftime('%H:%M:%S')} the sources rest", flush=True)
        wait_for(town, "pushed", lambda: sorted((number, value, "推送") for number, value in pushes.accepted.items()))
        wait_for(town, "followed", source.rows)
        wait_for(town, "harbour", harbour_rows)
        # Who is told of the changes ends with the same rows as the lake, and so do the copies for look-ups.
        for name in SUBSCRIBED:
            wait_for(town, name, lambda name=name: subscriber.rows(name))
            wait_for(town, name, lambda name=name: copied_rows(town, name))
            print(f"{time.strftime('%H:%M:%S')} {name}: {len(subscriber.rows(name)):,} rows, {checksum(subscriber.rows(name))} at the receiver, {checksum(rows_of(town, name) or [])} in the lake")
        subscriber.receiver.close()
        harbour.close()
    source.close()
    assert verify(town.look_anew()).sound
