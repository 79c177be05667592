"""Failure is the normal case: poison, skewed clocks, two at once, what is edited or gone while rows flow."""

from __future__ import annotations

import os
import time
from typing import Any

import orjson
import psutil
import psycopg
import pytest

from sanqu.ground.city import City
from sanqu.ground.errors import Conflict, SanquError
from sanqu.ground.people.askers import SYSTEM
from sanqu.lake import Contract, lake_of
from sanqu.lines.keeping import save_line
from sanqu.lines.live import positions
from sanqu.lines.live.gather import postgres as postgres_source
from sanqu.lines.live.locks import CARRY, LANE
from sanqu.lines.live.meters import lately
from sanqu.lines.live.positions import first_unnoted, positions_of
from sanqu.lines.live.standing import standing_of, ways_of
from sanqu.lines.quarantine import list_quarantine
from sanqu.lines.records import Line
from tests.live.conftest import READINGS, Flow, make_line, rows, until
from tests.live.sending import APPENDED, ids, publish, push, reading, trouble
from tests.live.test_postgres import WELLS, followed, same, source, url  # noqa: F401 (fixtures)
from tests.live.test_steps import INPUT, PER_WINDOW, SHOWN, WINDOWS, at, contract

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
