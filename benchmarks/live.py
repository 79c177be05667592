"""Live lines: rows a second from a source to whoever reads through the door, and how old they are when they can be read."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.cities import scratch_home, served, wait_until_at_rest
from benchmarks.table import Row
from sanqu.catalog.keeping import register_contract
from sanqu.cli.opening import open_city
from sanqu.ground.broker import running_nats
from sanqu.ground.city import City
from sanqu.ground.engines import start_postgres
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from sanqu.lake import Commit, Contract, lake_of
from sanqu.lines.keeping import save_line
from sanqu.lines.live.devices import add_device
from sanqu.lines.live.standing import standing_of
from sanqu.lines.records import Line

SECONDS = float(os.environ.get("SANQU_BENCH_SECONDS", "15"))
STEP = 0.05
STATIONS = ["衢江", "柯城", "龙游", "江山", "常山", "开化"]


def readings(name: str) -> Contract:
    """What a station sends."""
    fields = [{"name": "id", "type": "integer"}, {"name": "station", "type": "string", "constraints": {"maxLength": 20}},
              {"name": "value", "type": "number", "constraints": {"minimum": 0}}, {"name": "sent", "type": "number"}]  # fmt: skip
    said = {"name": name, "title": {"zh": "读数", "en": "Readings"}, "steward": "3308", "primaryKey": ["id"], "fields": fields}
    return Contract.from_descriptor(said)


def row(number: int, sent: float) -> dict[str, object]:
    """One reading."""
    return {"id": number, "station": STATIONS[number % 6], "value": number % 1000 / 10, "sent": sent}


@dataclass
class Seen:
    """Batches that were sent (last number, moment) and how old each was when the door showed it."""

    sent: list[tuple[int, float]] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    newest: int = -1

    def look(self, client: httpx.Client, dataset: str) -> None:
        """Ask the door for the newest row and note what it shows for the first time."""
        answer = client.get(f"/api/open/{dataset}", params={"id__gt": self.newest, "sort": "-id", "limit": 1, "items": "id"})
        at, rows = time.time(), answer.json()["rows"]
        self.newest = max(self.newest, rows[0]["id"] if rows else -1)
        while len(self.ages) < len(self.sent) and self.sent[len(self.ages)][0] <= self.newest:
            self.ages.append(at - self.sent[len(self.ages)][1])


Send = Callable[[int, int, float], None]


def measure(address: str, dataset: str, rate: int, send: Send, seconds: float = SECONDS) -> tuple[float, float, float]:
    """Send `rate` rows a second for a while; gives rows a second that arrived, and p50 and p99 of their age (s)."""
    seen, stopping = Seen(), threading.Event()
    client = httpx.Client(base_url=address, timeout=60)

    def watch() -> None:
        while not stopping.is_set():
            seen.look(client, dataset)
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began, number = time.time(), 0
    while (late := time.time() - began) < seconds:
        due = int(rate * (late + STEP)) - number
        if due > 0:
            sent = time.time()
            send(number, due, sent)
            number += due
            seen.sent.append((number - 1, sent))
        time.sleep(max(0.0, STEP - (time.time() - began - late)))
    end = time.time() + 60
    while seen.newest < number - 1 and time.time() < end:
        time.sleep(0.01)
    took = time.time() - began
    stopping.set()
    watcher.join()
    arrived = seen.newest + 1
    ages = sorted(seen.ages) or [float("inf")]
    return arrived / took, statistics.median(ages), ages[min(len(ages) - 1, int(len(ages) * 0.99))]


def pusher(address: str, key: str, line: str) -> Send:
    """Sends by HTTP, all rows that are due in one request."""
    client = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def send(first: int, count: int, sent: float) -> None:
        rows = [row(number, sent) for number in range(first, first + count)]
        client.post(f"/api/live/{line}", content=json.dumps(rows), headers={"Content-Type": "application/json"}).raise_for_status()

    return send


def publisher(port: int, login: tuple[str, str], topic: str) -> Send:
    """Publishes by MQTT with QoS 1, ten rows a message as gateways do."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.username_pw_set(*login)
    client.max_inflight_messages_set(2000)
    client.connect("127.0.0.1", port)
    client.loop_start()

    def send(first: int, count: int, sent: float) -> None:
        for start in range(first, first + count, 10):
            rows = [row(number, sent) for number in range(start, min(start + 10, first + count))]
            client.publish(topic, json.dumps(rows), qos=1)

    return send


def writer(url: str, table: str) -> Send:
    """Inserts into a table of PostgreSQL, a transaction for all rows that are due."""
    conn = psycopg.connect(url, autocommit=True)
    insert = (
        f"INSERT INTO {table} SELECT n, (%s::text[])[1 + abs(n) %% 6], abs(n) %% 1000 / 10.0, %s FROM generate_series(%s::bigint, %s::bigint) n"
    )

    def send(first: int, count: int, sent: float) -> None:
        conn.execute(insert, (STATIONS, sent, first, first + count - 1))

    return send


def make_line(city: City, name: str, **source: object) -> Line:
    """A live line into a dataset of its own that everybody may read."""
    register_contract(city, readings(name), "bench", state="published")
    return save_line(city, Line.from_descriptor({"name": name, "dataset": name, "mode": "upsert", "source": source}), SYSTEM)


def wait_until_flowing(city: City, name: str) -> None:
    """Until somebody carries the line."""
    end = time.monotonic() + 60
    while standing_of(city, name).state != "flowing" and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(1)


def wait_until_followed(address: str, dataset: str, send: Send) -> None:
    """Until a first row can be read: a line is said to flow a moment before its source streams, and its first row opens much."""
    send(-1, 1, time.time())
    end = time.monotonic() + 60
    with httpx.Client(base_url=address) as client:
        while not client.get(f"/api/open/{dataset}", params={"id": -1}).json()["rows"] and time.monotonic() < end:
            time.sleep(0.05)


@contextmanager
def source_table(names: list[str]) -> Iterator[str]:
    """A department's PostgreSQL with these tables."""
    with tempfile.TemporaryDirectory(prefix="sanqu-source-", ignore_cleanup_errors=True) as folder:
        url, server = start_postgres(Path(folder))
        with psycopg.connect(url, autocommit=True) as conn:
            for name in names:
                conn.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, station text, value float8, sent float8)")
        try:
            yield url
        finally:
            server.cleanup()


def figures(what: str, rate: int, found: tuple[float, float, float]) -> Row:
    """A row of the table, with the promise of the issue."""
    per_second, p50, p99 = found
    most = 1.0 if rate >= 20_000 else 0.4
    ours = f"{per_second:,.0f} rows/s, p50 {p50 * 1000:,.0f} ms, p99 {p99 * 1000:,.0f} ms"
    return Row(f"{what}, {rate:,} rows/s sent", ours, "", "", f"p99 < {most * 1000:,.0f} ms", p99 < most and per_second > 0.9 * rate)


def run() -> list[Row]:
    """Each kind of source at 1,000 and 20,000 rows/s; ten lines at once; what small files cost."""
    rows: list[Row] = []
    with scratch_home() as home, served(home) as (address, process, _), open_city(home) as city, source_table(["t1000", "t20000"]) as url:
        with city.db.connection() as conn:
            person = conn.execute("SELECT id FROM person ORDER BY id LIMIT 1").fetchone()
            assert person is not None
            key = make_key(conn, SYSTEM, int(person["id"]), "bench")
        wait_until_at_rest(process)
        running = running_nats(home)
        assert running is not None
        port = int(str(running["mqtt"]).rpartition(":")[2])
        for rate in (1_000, 20_000):
            make_line(city, f"push{rate}", kind="push")
            wait_until_flowing(city, f"push{rate}")
            push = pusher(address, key, f"push{rate}")
            wait_until_followed(address, f"push{rate}", push)
            rows.append(figures("HTTP push", rate, measure(address, f"push{rate}", rate, push)))
            line = make_line(city, f"mqtt{rate}", kind="mqtt", topic=f"bench/{rate}")
            secret = add_device(city, line, f"gateway-{rate}", SYSTEM)
            wait_until_flowing(city, line.name)
            send = publisher(port, (f"gateway-{rate}", secret), f"bench/{rate}")
            rows.append(figures("MQTT, QoS 1, ten rows a message", rate, measure(address, line.name, rate, send)))
            make_line(city, f"cdc{rate}", kind="postgres", url=url, table=f"t{rate}")
            wait_until_flowing(city, f"cdc{rate}")
            write = writer(url, f"t{rate}")
            wait_until_followed(address, f"cdc{rate}", write)
            rows.append(figures("PostgreSQL CDC", rate, measure(address, f"cdc{rate}", rate, write)))
        rows.append(_beside_dlt(city, address, key, home))
        rows.append(_ten_at_once(city, address, key))
        rows.append(_small_files(city, address, key))
    return rows


def _beside_dlt(city: City, address: str, key: str, home: Path) -> Row:
    """The same rows, a thousand at a time, by dlt into a DuckDB of its own: how old a row is when it can be read, and rows/s."""
    os.environ |= {"RUNTIME__LOG_LEVEL": "ERROR", "RUNTIME__DLTHUB_TELEMETRY": "false"}
    import dlt

    pipeline = dlt.pipeline("bench", destination=dlt.destinations.duckdb(str(home / "dlt.duckdb")), dataset_name="bench", pipelines_dir=str(home / "dlt"))
    theirs = []
    for number in range(0, 12_000, 1_000):
        sent = time.time()
        rows = [row(n, sent) for n in range(number, number + 1_000)]
        pipeline.run(rows, table_name="readings", write_disposition="merge", primary_key="id")
        theirs.append(time.time() - sent)
    make_line(city, "beside", kind="push")
    wait_until_flowing(city, "beside")
    send, seen = pusher(address, key, "beside"), Seen()
    with httpx.Client(base_url=address, timeout=60) as client:
        for number in range(0, 12_000, 1_000):
            sent = time.time()
            send(number, 1_000, sent)
            seen.sent.append((number + 999, sent))
            while len(seen.ages) < len(seen.sent):
                seen.look(client, "beside")
    ours_p50, theirs_p50 = statistics.median(seen.ages), statistics.median(theirs)
    ours = f"{ours_p50 * 1000:,.0f} ms, {1000 / ours_p50:,.0f} rows/s one after the other"
    return Row("1,000 rows, from sent to readable", ours, f"dlt into DuckDB {theirs_p50 * 1000:,.0f} ms, {1000 / theirs_p50:,.0f} rows/s",
               f"{ours_p50 / theirs_p50:.2f} ×", "", None)  # fmt: skip


def _ten_at_once(city: City, address: str, key: str) -> Row:
    """Ten lines of one lane with 1,000 rows/s each: how much older the rows of the slowest are."""
    names = [f"ten{number}" for number in range(10)]
    for name in names:
        make_line(city, name, kind="push")
    wait_until_flowing(city, names[-1])
    found: dict[str, tuple[float, float, float]] = {}

    def one(name: str) -> None:
        found[name] = measure(address, name, 1_000, pusher(address, key, name))

    threads = [threading.Thread(target=one, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    middles = sorted(p50 for _, p50, _ in found.values())
    ours = f"p50 {middles[0] * 1000:,.0f} to {middles[-1] * 1000:,.0f} ms, p99 at most {max(p for *_, p in found.values()) * 1000:,.0f} ms"
    ratio = middles[-1] / middles[0]
    return Row("ten lines at once, 1,000 rows/s each: slowest beside quickest", ours, "", f"{ratio:.2f} ×", "share fairly", ratio < 1.5)


def _small_files(city: City, address: str, key: str) -> Row:
    """A full scan after an hour at 1,000 rows/s (all but the last minute of it written at once), beside the same compacted."""
    make_line(city, "hour", kind="push")
    wait_until_flowing(city, "hour")
    before = 3_540_000
    with lake_of(city).engine() as duck:
        made = f"SELECT n - {before} AS id, '衢江' AS station, n % 1000 / 10.0 AS value, 0.0 AS sent FROM range({before}) t(n)"
        lake_of(city).upsert("hour", made, Commit("bench"), duck=duck, keys_are_unique=True)
    measure(address, "hour", 1_000, pusher(address, key, "hour"), 60)
    as_it_is = _scan(city)
    with lake_of(city).engine() as duck:
        duck.execute("CALL ducklake_flush_inlined_data('lake', table_name => 'hour')")
        duck.execute("CALL ducklake_merge_adjacent_files('lake', 'hour')")
    compacted = _scan(city)
    ratio = as_it_is / compacted
    return Row("full scan after an hour at 1,000 rows/s, beside the same compacted", f"{as_it_is * 1000:.1f} ms",
               f"{compacted * 1000:.1f} ms", f"{ratio:.2f} ×", "≤ 1.30 ×", ratio <= 1.3)  # fmt: skip


def _scan(city: City) -> float:
    # What the last commits left to do is done first, and the files have been read once.
    time.sleep(3)
    taken = []
    with lake_of(city).engine() as duck:
        duck.execute('SELECT count(*) FROM lake.main."hour" WHERE value > 1').fetchall()
        for _ in range(31):
            began = time.perf_counter()
            duck.execute('SELECT count(*), sum(value), max(station) FROM lake.main."hour"').fetchall()
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)
