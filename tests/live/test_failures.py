"""Failure is the normal case: poison, full disks, skewed clocks, two at once, what is edited or gone while rows flow."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import psutil
import psycopg
import pytest
from nats.js.errors import NotFoundError

from sanqu.cases.notices import notices_of
from sanqu.ground.broker import start_nats
from sanqu.ground.city import City
from sanqu.ground.errors import Conflict, SanquError
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import asker_of_key, make_key
from sanqu.ground.people.persons import add_person
from sanqu.ground.people.units import Unit, save_units
from sanqu.lake import Contract, lake_of
from sanqu.lake.engine import METADATA_SCHEMA
from sanqu.lines.keeping import delete_line, save_line
from sanqu.lines.live import positions
from sanqu.lines.live.devices import add_device
from sanqu.lines.live.gather import postgres as postgres_source
from sanqu.lines.live.locks import CARRY, LANE
from sanqu.lines.live.loss import settle_loss
from sanqu.lines.live.meters import lately
from sanqu.lines.live.positions import first_unnoted, positions_of
from sanqu.lines.live.push import PushDoor, push_rows
from sanqu.lines.live.standing import standing_of, ways_of
from sanqu.lines.live.stream import connect, ensure_stream, stream_name, subject_of
from sanqu.lines.live.watch import Trouble, watch_lines
from sanqu.lines.quarantine import list_quarantine
from sanqu.lines.records import Line
from tests.live.conftest import READINGS, Flow, make_line, rows, until
from tests.live.test_postgres import WELLS, followed, same, source, url  # noqa: F401 (fixtures)
from tests.live.test_steps import INPUT, PER_WINDOW, SHOWN, WINDOWS, at, contract

APPENDED = {**READINGS, "name": "log", "primaryKey": []}


def publish(city: City, line: Line, *payloads: bytes, headers: dict[str, str] | None = None) -> None:
    """Put messages straight into the line's stream."""

    async def send() -> None:
        client = await connect(city.bus.url, "test")
        await ensure_stream(client.jetstream(), line)
        for payload in payloads:
            await client.jetstream().publish(subject_of(line), payload, headers=headers)
        await client.close()

    asyncio.run(send())


def push(city: City, line: Line, said: Sequence[dict[str, Any]], key: str = "") -> int:
    async def send() -> int:
        door = PushDoor(city)
        try:
            return (await push_rows(door, line, said, key)).repeated
        finally:
            await door.aclose()

    return asyncio.run(send())


def reading(number: int, **more: object) -> dict[str, object]:
    return {"id": number, "station": "衢江", "value": 1.0, **more}


@pytest.fixture
def line(city: City) -> Line:
    return make_line(city, source={"kind": "push"})


def trouble(city: City, name: str) -> Trouble | None:
    """What whoever watches the line is told of it."""
    return watch_lines(city, SYSTEM, name)[0].trouble


def ids(city: City, name: str = "readings") -> list[int]:
    return [row[0] for row in rows(city, name, "id")]


# Poison: what no device should send, and one day does.

DEEP = b'{"id": 1, "station": ' + b"[" * 600 + b"]" * 600 + b"}"
POISON = {
    "garbage": b"\x00\xff\xfe not json",
    "half a letter": b'{"id": 1, "station": "\xe8\xa1"}',
    "half a pair": b'{"id": 1, "station": "\\ud800"}',
    "deep": DEEP,
    "deep and no row": b"[" * 600 + b"1" + b"]" * 600,
    "no object": b"[1, null, [2]]",
    "not a number": b'{"id": NaN, "station": "s"}',
    "a number beyond all": b'{"id": 1e400, "station": "s"}',
    "far too large a key": b'{"id": 99999999999999999999999999, "station": "s"}',
    "no time": b'{"id": 1, "station": "s", "at": "9999999-99-99"}',
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_what_cannot_be_a_row_is_quarantined_and_the_next_goes_on(city: City, line: Line, flow: Flow, poison: bytes) -> None:
    publish(city, line, poison)
    push(city, line, [reading(7)])
    until(lambda: ids(city) == [7])
    assert list_quarantine(city, line="readings")
    until(lambda: standing_of(city, "readings").state == "flowing")


def test_text_with_a_nul_does_not_stop_the_line(city: City, line: Line, flow: Flow) -> None:
    publish(city, line, b'{"id": 1, "station": "a\\u0000b"}', b'{"id": 2, "station": "\\u0000", "value": -1}')
    push(city, line, [reading(7)])
    until(lambda: 7 in ids(city), 30)
    until(lambda: standing_of(city, "readings").state == "flowing")


HEADERS = [
    {"Sanqu-At": "yesterday"}, {"Sanqu-At": "-5"}, {"Sanqu-At": "9" * 400}, {"Sanqu-At": "९"}, {"Sanqu-Form": "unheard-of"}, {"traceparent": "x" * 3000},
]  # fmt: skip


@pytest.mark.parametrize("headers", HEADERS, ids=lambda one: "-".join(f"{k} {v[:9]}" for k, v in one.items()))
def test_broken_headers_do_not_stop_the_line(city: City, line: Line, flow: Flow, headers: dict[str, str]) -> None:
    publish(city, line, orjson.dumps(reading(1)), headers=headers)
    push(city, line, [reading(2)])
    until(lambda: ids(city) == [1, 2])


def test_a_device_cannot_empty_a_dataset_or_skip_ahead_with_headers_of_ours(city: City, line: Line, flow: Flow) -> None:
    push(city, line, [reading(1)])
    until(lambda: ids(city) == [1])
    publish(city, line, b'["clear", null, {}]', b'["put", [9999999], {"id": 5, "station": "s"}]', headers={"Sanqu-Form": "changes"})
    push(city, line, [reading(2)])
    # What stands in it that is a row is taken as one; nothing else happens.
    until(lambda: ids(city) == [1, 2, 5])
    assert len(list_quarantine(city, line="readings")) >= 2


def test_a_row_of_a_megabyte_goes_in_and_a_message_as_large_as_the_bus_takes_hangs_nothing(city: City, flow: Flow) -> None:
    wide = {**READINGS, "fields": [*READINGS["fields"], {"name": "note", "type": "string"}]}
    line = make_line(city, wide, source={"kind": "push"})
    publish(city, line, orjson.dumps(reading(1, note="长" * 350_000)), b"x" * (8 * 1024 * 1024 - 100))
    push(city, line, [reading(2)])
    until(lambda: ids(city) == [1, 2], 40)
    assert rows(city, "readings", "id, length(note)")[0] == (1, 350_000)


def test_poison_in_one_line_stops_no_other_of_its_lane(city: City, line: Line, flow: Flow) -> None:
    # A cast that fails in a step fails for good: the line says so, and the others of the lane go on.
    bad = make_line(
        city, contract("bad", ("n", "integer")), source={"kind": "push"}, input=INPUT,
        steps=[{"name": "cast", "sql": "SELECT CAST(device AS BIGINT) AS n FROM input"}],
    )  # fmt: skip
    push(city, bad, [{"device": "no number"}])
    stopped = until(lambda: (s := standing_of(city, "bad")).state == "stopped" and s)
    assert stopped.cause["code"] in ("lake.refused", "live.broke")
    for number in range(5):
        push(city, line, [reading(number)])
        until(lambda number=number: number in ids(city))  # type: ignore[misc]
    until(lambda: standing_of(city, "readings").state == "flowing")


# Clocks.


def test_a_source_whose_clock_is_ahead_was_not_seen_before_it_was_there(city: City, line: Line, flow: Flow) -> None:
    ahead = int((time.time() + 3600) * 1000)
    publish(city, line, orjson.dumps(reading(1)), headers={"Sanqu-At": str(ahead)})
    told = until(lambda: lately(city, line="readings").get("readings"))
    assert 1 < told.p99 < 20_000
    # The page says so; and of one that lags, that its rows take an hour.
    assert "3,600 s ahead" in until(lambda: trouble(city, "readings")).what.en
    moments = [way["committed"] - way["source"][0] for way in until(lambda: ways_of(city, "readings"))]
    assert min(moments) >= 0
    publish(city, line, orjson.dumps(reading(2)), headers={"Sanqu-At": str(int((time.time() - 3600) * 1000))})
    until(lambda: lately(city, line="readings")["readings"].p99 > 3_000_000)


def test_a_database_whose_clock_is_wrong_or_leaps_is_named_and_nothing_comes_from_the_future(
    followed: City, source: psycopg.Connection, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    # It is an hour behind when it is asked, and leaps to the right time then: what it commits seems to come an hour from now.
    monkeypatch.setattr(postgres_source, "CLOCK", postgres_source.CLOCK.replace("* 1000", "* 1000 - 3600000"))
    flow = Flow(followed)
    flow.start()
    until(lambda: same(followed, source))
    until(lambda: "3,600 s behind" in str(trouble(followed, "wells")))
    source.execute("UPDATE wells SET value = 7 WHERE id = 1")
    until(lambda: same(followed, source) and lately(followed, line="wells").get("wells"))
    assert lately(followed, line="wells")["wells"].p99 < 20_000
    until(lambda: "3,600 s ahead" in str(trouble(followed, "wells")))
    flow.stop()


def test_one_clock_that_runs_ahead_does_not_make_all_others_late(city: City, flow: Flow) -> None:
    line = make_line(city, PER_WINDOW, source={"kind": "push"}, input=INPUT, steps=[WINDOWS])
    push(city, line, [at(0)])
    push(city, line, [{"device": "mad", "value": 1.0, "at": "2099-01-01 00:00:00"}])
    push(city, line, [at(1), at(2)])
    push(city, line, [at(9)])
    until(lambda: rows(city, "minutes", SHOWN) == [("08:00", "d1", 3, 3.0)])
    assert until(lambda: lately(city, line="minutes").get("minutes")).late == 0
    assert "ahead" in until(lambda: trouble(city, "minutes")).what.en


def test_windows_count_rows_that_come_out_of_order_and_say_how_many_came_too_late(city: City, flow: Flow) -> None:
    line = make_line(city, PER_WINDOW, source={"kind": "push"}, input=INPUT, steps=[WINDOWS])
    push(city, line, [at(4, 50), at(2), at(4), at(0)])
    push(city, line, [at(5, 30), at(1), at(3)])
    push(city, line, [at(8), at(2)])
    until(lambda: rows(city, "minutes", SHOWN) == [("08:00", "d1", 7, 7.0)] or lately(city, line="minutes").get("minutes"))
    push(city, line, [at(30), at(1)])
    until(lambda: len(rows(city, "minutes", SHOWN)) == 2)
    counted = sum(row[2] for row in rows(city, "minutes", SHOWN))
    late = until(lambda: (told := lately(city, line="minutes").get("minutes")) and told.read == 11 and told).late
    # The newest row waits for its own window.
    assert counted + late + 1 == 11


ONCE = {"name": "once", "dedupe": ["device"], "window": "PT10M", "time": "at"}


def test_rows_without_a_time_are_sifted_too(city: City, flow: Flow) -> None:
    line = make_line(city, contract("seen", ("device", "string"), ("at", "datetime")), source={"kind": "push"}, input=INPUT, steps=[ONCE])
    push(city, line, [{"device": "a"}, {"device": "a"}, {"device": "b", "at": "2099-01-01 00:00:00"}, {"device": "b", "at": "2026-11-26 08:00:00"}])
    until(lambda: sorted(row[0] for row in rows(city, "seen")) == ["a", "b", "b"])


@pytest.mark.parametrize("step", [{**ONCE, "window": "PT0S"}, {**WINDOWS, "hop": "PT0S"}])
def test_a_window_of_no_length_is_refused(city: City, step: dict[str, Any]) -> None:
    with pytest.raises(SanquError) as refused:
        make_line(city, PER_WINDOW, source={"kind": "push"}, input=INPUT, steps=[step])
    assert refused.value.code == "live.step"


# Twice, and out of order.


def test_the_same_request_while_the_line_rests_and_after_is_kept_once(city: City) -> None:
    log = make_line(city, APPENDED, source={"kind": "push"})
    assert push(city, log, [reading(1), reading(2)], key="a") == 0
    assert push(city, log, [reading(1), reading(2)], key="a") == 2
    flow = Flow(city)
    flow.start()
    until(lambda: ids(city, "log") == [1, 2])
    assert push(city, log, [reading(1), reading(2)], key="a") == 2
    push(city, log, [reading(3)])
    until(lambda: ids(city, "log") == [1, 2, 3])
    flow.stop()


def test_what_was_committed_but_not_noted_is_found_in_the_lake(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    log = make_line(city, APPENDED, source={"kind": "push"})
    noted = positions.note_positions

    def die(*_args: object) -> None:
        raise psycopg.OperationalError("the server died just now")

    # Between the lake's commit and the note the server goes away.
    monkeypatch.setattr("sanqu.lines.live.carrier.note_positions", die)
    first = Flow(city)
    first.start()
    push(city, log, [reading(1), reading(2)])
    until(lambda: ids(city, "log"))
    first.stop()
    monkeypatch.setattr("sanqu.lines.live.carrier.note_positions", noted)
    assert ids(city, "log") == [1, 2]
    # Its commit must not be thinned away meanwhile.
    second = Flow(city)
    second.start()
    push(city, log, [reading(3)])
    until(lambda: 3 in ids(city, "log"))
    second.stop()
    assert ids(city, "log") == [1, 2, 3]


def test_a_commit_that_no_note_knows_of_is_needed(city: City) -> None:
    log = make_line(city, APPENDED, source={"kind": "push"})
    flow = Flow(city)
    flow.start()
    push(city, log, [reading(1)])
    until(lambda: ids(city, "log") and first_unnoted(city) is None)
    flow.stop()
    with city.db.connection() as conn:
        conn.execute("UPDATE live_line SET snapshot = snapshot - 1, position = '{}' WHERE line = 'log'")
    assert first_unnoted(city) is not None
    with city.db.own_connection() as conn:
        assert positions_of(city, conn, ["log"])["log"].seq == 1
    assert first_unnoted(city) is None


def test_two_processes_carry_each_row_once_though_locks_are_lost(city: City) -> None:
    log = make_line(city, APPENDED, source={"kind": "push"})
    flows = [Flow(city), Flow(city)]
    for flow in flows:
        flow.start()
    shot = f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid IN ({CARRY}, {LANE}) AND pid <> pg_backend_pid()"
    for number in range(60):
        push(city, log, [reading(number * 10 + n) for n in range(10)])
        if number % 12 == 5:
            city.db.all(shot)
    until(lambda: len(ids(city, "log")) >= 600, 60)
    time.sleep(1)
    for flow in flows:
        flow.stop()
    assert ids(city, "log") == list(range(600))


# Room on the disk.


def test_a_full_disk_stops_the_line_with_the_cause_and_room_lets_it_go_on(followed: City, flow: Flow, source: psycopg.Connection) -> None:  # noqa: F811
    city = followed
    until(lambda: same(city, source))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        source.execute("INSERT INTO wells SELECT n, 's', n, NULL, (SELECT string_agg(md5((n * k)::text), '') FROM generate_series(1, 40) k) FROM generate_series(2000, 4000) n")
        stopped = until(lambda: (s := standing_of(city, "wells")).state == "stopped" and s.cause["code"] == "lake.disk-full" and s, 30)
        assert "room" not in str(stopped.cause.get("position", "")) and len(rows(city, "wells")) == 1000
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    until(lambda: same(city, source), 40)
    until(lambda: standing_of(city, "wells").state == "flowing")


# The source's log.


def slots(conn: psycopg.Connection, columns: str = "confirmed_flush_lsn") -> list[Any]:
    return [row[0] for row in conn.execute(f"SELECT {columns} FROM pg_replication_slots WHERE database = current_database()").fetchall()]


def test_the_source_keeps_its_log_until_rows_are_in_the_lake_and_no_longer(followed: City, flow: Flow, source: psycopg.Connection) -> None:  # noqa: F811
    city = followed
    until(lambda: same(city, source))
    # While nobody can write to the lake, the source forgets nothing that is not there.
    with city.db.own_connection() as conn:
        conn.execute("SELECT pg_advisory_lock(hashtext('lake.write:wells'))")
        source.execute("INSERT INTO wells VALUES (5000, 'waits', 1, NULL, NULL)")
        before = source.execute("SELECT pg_current_wal_lsn()").fetchone()[0]  # type: ignore[index]
        source.execute("CREATE TABLE noise AS SELECT n, md5(n::text) FROM generate_series(1, 20000) n")
        time.sleep(3)
        assert source.execute("SELECT %s::pg_lsn > confirmed_flush_lsn FROM pg_replication_slots WHERE database = current_database()", (before,)).fetchone() == (True,)
        conn.execute("SELECT pg_advisory_unlock_all()")
    # Once they are, what others write does not pile up for us, though nothing happens in our table.
    until(lambda: same(city, source))
    source.execute("INSERT INTO noise SELECT n, md5(n::text) FROM generate_series(1, 20000) n")
    reached = source.execute("SELECT pg_current_wal_lsn()").fetchone()[0]  # type: ignore[index]
    until(lambda: source.execute("SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE database = current_database()", (reached,)).fetchone() == (True,), 40)
    source.execute("INSERT INTO wells VALUES (5001, 'after', 1, NULL, NULL)")
    until(lambda: same(city, source))


def test_a_deleted_line_leaves_no_slot_no_stream_and_no_state(city: City, source: psycopg.Connection, url: str) -> None:  # noqa: F811
    make_line(city, WELLS, source={"kind": "postgres", "url": url, "table": "wells"})
    make_line(city, PER_WINDOW, source={"kind": "push"}, input=INPUT, steps=[WINDOWS])
    first = Flow(city)
    first.start()
    until(lambda: same(city, source))
    until(lambda: standing_of(city, "minutes").state == "flowing")
    first.stop()
    assert len(slots(source)) == 1
    # Deleted while nobody is there to notice.
    delete_line(city, "wells", SYSTEM)
    delete_line(city, "minutes", SYSTEM)
    second = Flow(city)
    second.start()
    until(lambda: slots(source) == [] and source.execute("SELECT * FROM pg_publication").fetchall() == [])
    states = f"SELECT table_name FROM {METADATA_SCHEMA}.ducklake_table WHERE end_snapshot IS NULL AND table_name LIKE 'live/%%'"
    until(lambda: city.db.all(states) == [])
    until(lambda: not asyncio.run(has_stream(city, "wells")) and not asyncio.run(has_stream(city, "minutes")))
    second.stop()


async def has_stream(city: City, name: str) -> bool:
    client = await connect(city.bus.url, "test")
    try:
        await client.jetstream().stream_info(stream_name(name))
    except NotFoundError:
        return False
    finally:
        await client.close()
    return True


def test_a_line_led_to_another_table_loads_it_and_leaves_the_old_slot(
    followed: City, flow: Flow, source: psycopg.Connection, url: str  # noqa: F811
) -> None:  # fmt: skip
    city = followed
    until(lambda: same(city, source))
    (old,) = slots(source, "slot_name")
    source.execute("CREATE TABLE springs AS SELECT id + 100000 AS id, station, value, at, note FROM wells LIMIT 10")
    source.execute("ALTER TABLE springs ADD PRIMARY KEY (id)")
    make_line(city, WELLS, source={"kind": "postgres", "url": url, "table": "springs"})
    until(lambda: len(ids(city, "wells")) == 10)
    source.execute("INSERT INTO springs VALUES (7, 'new', 1, NULL, NULL)")
    until(lambda: 7 in ids(city, "wells"))
    until(lambda: old not in slots(source, "slot_name"))


# The bus.


def forget_streams(city: City) -> None:
    """All that the bus had kept is gone."""

    async def forget() -> None:
        client = await connect(city.bus.url, "test")
        for info in await client.jetstream().streams_info():
            await client.jetstream().delete_stream(str(info.config.name))
        await client.close()

    asyncio.run(forget())


def test_a_bus_that_lost_all_costs_a_followed_table_nothing(followed: City, flow: Flow, source: psycopg.Connection) -> None:  # noqa: F811
    city = followed
    until(lambda: same(city, source))
    for number in range(3):
        source.execute("INSERT INTO wells SELECT n, 'x', n, NULL, NULL FROM generate_series(%s::int, %s::int) n", (number * 500 + 2000, number * 500 + 2499))
        forget_streams(city)
        source.execute("DELETE FROM wells WHERE id = %s", (number,))
    until(lambda: same(city, source), 40)


def test_a_bus_whose_folder_was_deleted_says_what_may_be_lost_until_somebody_has_seen_to_it(city: City, tmp_path: Path) -> None:
    with city.db.connection() as conn:
        save_units(conn, [Unit("330800", None, "city", "city", Text(zh="衢州市", en="Quzhou"))])
        key = make_key(conn, SYSTEM, add_person(conn, SYSTEM, "wang", "王", [("steward", "330800")]), "test")
    steward = asker_of_key(city, key)
    assert steward is not None
    city.bus.url, bus = start_nats(city.settings.home)
    assert bus is not None
    line = make_line(city, source={"kind": "push"})
    secret = add_device(city, line, "station-7", SYSTEM)
    flow = Flow(city)
    flow.start()
    push(city, line, [reading(1)])
    until(lambda: ids(city) == [1])
    flow.stop()
    with city.db.connection() as conn:
        conn.execute("UPDATE live_line SET backlog = 3")
    bus.terminate()
    bus.wait(10)
    shutil.rmtree(city.settings.home / "nats")
    city.bus.url, bus = start_nats(city.settings.home)
    assert bus is not None
    again = Flow(city)
    again.start()
    found = until(lambda: trouble(city, "readings"))
    assert "3 messages are known to have waited" in found.what.en and "send again" in found.todo.en
    assert notices_of(city, steward)[1] == 1
    # Rows go on, and the devices are known as before.
    push(city, line, [reading(2)])
    until(lambda: ids(city) == [1, 2])
    assert f'"user": "{"station-7"}"' in (city.settings.home / "nats" / "users.conf").read_text() and secret
    assert settle_loss(city, line, steward) and not settle_loss(city, line, steward)
    until(lambda: trouble(city, "readings") is None)
    again.stop()
    bus.terminate()
    bus.wait(10)


def test_after_a_bus_that_was_killed_is_back_what_it_had_not_kept_comes_at_once(followed: City, source: psycopg.Connection) -> None:  # noqa: F811
    followed.bus.url, bus = start_nats(followed.settings.home)
    flow = Flow(followed)
    flow.start()
    until(lambda: same(followed, source))
    for number in range(2):
        assert isinstance(bus, subprocess.Popen)
        bus.kill()
        bus.wait(10)
        source.execute("UPDATE wells SET value = value + 1 WHERE id <= 100")
        time.sleep(1)
        _, bus = start_nats(followed.settings.home)
        began = time.monotonic()
        if number == 0:
            # With or without a further change: what was on its way when the bus died is not waited for.
            source.execute("INSERT INTO wells VALUES (5000, 'new', 1, NULL, NULL)")
        until(lambda: same(followed, source), 12)
        print(f"after a bus that was killed: {time.monotonic() - began:.1f} s")
        assert time.monotonic() - began < 8
    flow.stop()
    assert bus is not None
    bus.terminate()
    bus.wait(10)


def test_rows_in_a_stream_made_anew_are_not_taken_for_old_ones(city: City, line: Line) -> None:
    # Another line of the lane clears away behind itself while this one's new messages wait.
    other = make_line(city, APPENDED, source={"kind": "push"})
    flow = Flow(city)
    flow.start()
    for number in range(40):
        push(city, line, [reading(number)])
    until(lambda: len(ids(city)) == 40)
    flow.stop()
    forget_streams(city)
    for number in range(100, 110):
        push(city, line, [reading(number)])
        push(city, other, [reading(number)])
    again = Flow(city)
    again.start()
    for number in range(200, 230):
        push(city, other, [reading(number)])
        push(city, line, [reading(number)])
        time.sleep(0.1)
    until(lambda: len(ids(city)) == 80)
    until(lambda: len(ids(city, "log")) == 40)
    again.stop()


def test_a_line_whose_subject_another_takes_says_so(city: City, flow: Flow) -> None:
    make_line(city, {**READINGS, "name": "one"}, source={"kind": "nats", "subject": "city.air.>"})
    until(lambda: standing_of(city, "one").state == "flowing")
    make_line(city, {**READINGS, "name": "two"}, source={"kind": "nats", "subject": "city.air.7"})
    stopped = until(lambda: (s := standing_of(city, "two")).state == "stopped" and s)
    assert stopped.cause["code"] == "live.subject-taken"


# What changes while rows flow.


def test_a_contract_that_changes_while_rows_flow_takes_the_new_item(city: City, line: Line, flow: Flow) -> None:
    push(city, line, [reading(1)])
    until(lambda: ids(city) == [1])
    more = {**READINGS, "fields": [*READINGS["fields"], {"name": "note", "type": "string"}]}
    make_line(city, more, source={"kind": "push"})
    until(lambda: push(city, line, [reading(2, note="新")]) == 0 and (2, "新") in rows(city, "readings", "id, note"))
    renamed = {**more, "fields": [*READINGS["fields"], {"name": "remark", "type": "string", "aliases": ["note"]}]}
    make_line(city, renamed, source={"kind": "push"})
    until(lambda: push(city, line, [reading(3, note="别名")]) == 0 and (3, "别名") in rows(city, "readings", "id, remark"))


def test_a_contract_that_the_line_does_not_fit_any_more_stops_it_until_it_is_mended_and_loses_nothing(
    city: City, line: Line, flow: Flow
) -> None:
    push(city, line, [reading(1)])
    until(lambda: ids(city) == [1])
    # What the data themselves contradict is refused, and the line flows on.
    with pytest.raises(Conflict):
        lake_of(city).declare(Contract.from_descriptor({**READINGS, "fields": READINGS["fields"][:2]}), "test")
    push(city, line, [reading(2)])
    until(lambda: ids(city) == [1, 2])
    # Without its key a change cannot be told from a new row.
    lake_of(city).declare(Contract.from_descriptor({**READINGS, "primaryKey": []}), "test")
    stopped = until(lambda: (one := standing_of(city, "readings")).state == "stopped" and one)
    assert stopped.cause["code"] == "live.contract" and stopped.cause["leg"] == "out" and "no key any more" in stopped.cause["what"]["en"]
    push(city, line, [reading(1, value=9.0), reading(3)])
    push(city, line, [reading(4)])
    time.sleep(0.7)
    assert ids(city) == [1, 2]
    lake_of(city).declare(Contract.from_descriptor(READINGS), "test")
    until(lambda: rows(city, "readings", "id, value") == [(1, 9.0), (2, 1.0), (3, 1.0), (4, 1.0)], 10)
    until(lambda: standing_of(city, "readings").state == "flowing")


def test_steps_and_columns_go_on_filling_an_item_that_is_renamed_and_stop_for_one_they_do_not_give(city: City, flow: Flow) -> None:
    told = contract("told", ("device", "string"), ("mean", "number"))
    step = {"name": "means", "sql": "SELECT device, value AS mean FROM input"}
    line = make_line(city, told, source={"kind": "push"}, input=INPUT, steps=[step], columns={"gauge": "device"})
    push(city, line, [{"gauge": "d1", "value": 1.0}])
    until(lambda: rows(city, "told") == [("d1", 1.0)])
    renamed = {**told, "fields": [told["fields"][0], {"name": "average", "type": "number", "aliases": ["mean"]}]}
    lake_of(city).declare(Contract.from_descriptor(renamed), "test")
    until(lambda: "average" in lake_of(city).contract("told").names)
    push(city, line, [{"gauge": "d2", "value": 2.0}])
    until(lambda: rows(city, "told", "device, average") == [("d1", 1.0), ("d2", 2.0)])
    save_line(city, line.model_copy(update={"steps": (line.steps[0].model_copy(update={"sql": "SELECT value AS mean FROM input"}),)}), SYSTEM)
    lake_of(city).declare(Contract.from_descriptor({**renamed, "fields": [{"name": "device", "type": "string", "constraints": {"required": True}}, renamed["fields"][1]]}), "test")
    until(lambda: "do not give device" in str(standing_of(city, "told").cause))
    push(city, line, [{"gauge": "d3", "value": 3.0}])
    save_line(city, line, SYSTEM)
    until(lambda: len(rows(city, "told")) == 3)


def test_a_line_that_is_disabled_keeps_its_rows_and_goes_on_when_enabled(city: City, line: Line, flow: Flow) -> None:
    push(city, line, [reading(1)])
    until(lambda: ids(city) == [1])
    save_line(city, line.model_copy(update={"enabled": False}), SYSTEM)
    time.sleep(1.2)
    push(city, line, [reading(2)])
    time.sleep(0.7)
    assert ids(city) == [1]
    save_line(city, line, SYSTEM)
    until(lambda: ids(city) == [1, 2])


def test_two_lines_fill_one_dataset(city: City, line: Line, flow: Flow) -> None:
    second = save_line(city, line.model_copy(update={"name": "second", "lane": "finance"}), SYSTEM)
    for number in range(0, 40, 2):
        push(city, line, [reading(number), reading(1000, value=number)])
        push(city, second, [reading(number + 1), reading(1000, value=number)])
    until(lambda: ids(city) == [*range(40), 1000])


def test_a_lane_that_may_carry_few_rows_holds_nobody_up(city: City, line: Line) -> None:
    with city.db.connection() as conn:
        conn.execute("UPDATE live_lane SET rows_per_second = 5 WHERE name = 'finance'")
    slow = make_line(city, {**READINGS, "name": "slow"}, source={"kind": "push"}, lane="finance")
    push(city, slow, [reading(n) for n in range(400)])
    flow = Flow(city)
    flow.start()
    until(lambda: ids(city, "slow"))
    push(city, slow, [reading(1)])
    for number in range(5):
        began = time.monotonic()
        push(city, line, [reading(number)])
        until(lambda number=number: number in ids(city))  # type: ignore[misc]
        assert time.monotonic() - began < 5
    flow.stop()


BEHIND = int(os.environ.get("SANQU_BEHIND_ROWS", "60000"))


def test_a_line_far_behind_catches_up_in_bounded_memory(city: City) -> None:
    """`SANQU_BEHIND_ROWS=1000000` is the long form; it prints what it measured."""
    log = make_line(city, APPENDED, source={"kind": "push"})
    for start in range(0, BEHIND, 1000):
        push(city, log, [reading(n) for n in range(start, start + 1000)])
    mine, peak, began = psutil.Process(), 0, time.monotonic()
    before = mine.memory_info().rss
    flow = Flow(city)
    flow.start()
    with lake_of(city).engine() as duck:
        while duck.execute("SELECT count(*), count(DISTINCT id) FROM lake.main.log").fetchone() != (BEHIND, BEHIND):
            peak = max(peak, mine.memory_info().rss)
            assert time.monotonic() - began < 60 + BEHIND / 1000
            time.sleep(0.2)
    flow.stop()
    took, grown = time.monotonic() - began, (peak - before) / 1024**2
    print(f"{BEHIND:,} rows that waited: {took:.1f} s, {BEHIND / took:,.0f} rows/s, resident memory + {grown:.0f} MB")
    # What is held of a stream, a round of it, and what the engine takes (its own limit is 2 GB in these tests).
    assert grown < 1200
