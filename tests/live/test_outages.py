"""What a live line stands on goes away: room on the disk, the source and its log, the bus and what it kept."""

from __future__ import annotations

import asyncio
import resource
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
from nats.js.errors import NotFoundError

from sanqu.cases.notices import notices_of
from sanqu.ground.broker import start_nats
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import asker_of_key, make_key
from sanqu.ground.people.persons import add_person
from sanqu.ground.people.units import Unit, save_units
from sanqu.lake.engine import METADATA_SCHEMA
from sanqu.lines.keeping import delete_line
from sanqu.lines.live.devices import add_device
from sanqu.lines.live.loss import settle_loss
from sanqu.lines.live.standing import standing_of
from sanqu.lines.live.stream import connect, stream_name
from sanqu.lines.records import Line
from tests.live.conftest import READINGS, Flow, make_line, rows, until
from tests.live.sending import APPENDED, ids, push, reading, trouble
from tests.live.test_postgres import WELLS, followed, same, source, url  # noqa: F401 (fixtures)
from tests.live.test_steps import INPUT, PER_WINDOW, WINDOWS

# Room on the disk.


def test_a_full_disk_stops_the_line_with_the_cause_and_room_lets_it_go_on(followed: City, flow: Flow, source: psycopg.Connection) -> None:  # noqa: F811
    city = followed
    until(lambda: same(city, source))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        source.execute("INSERT INTO wells SELECT n, 's', n, NULL, (SELECT string_agg(md5((n * k)::text), '') FROM generate_series(1, 40) k) FROM generate_series(2000, 4000) n")
        stopped = until(lambda: (s := standing_of(city, "wells")).state == "stopped" and s.cause["code"] == "lake.disk-full" and s, 30)
        # A first round may be small enough for what room there is; the rest waits.
        assert "room" not in str(stopped.cause.get("position", "")) and 1000 <= len(rows(city, "wells")) < 3001
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
