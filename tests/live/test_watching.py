"""Live lines watched: the cause in words, the promise of freshness and who is told, devices, lanes, Prometheus."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanqu.cases.notices import notices_of
from sanqu.ground.city import City
from sanqu.ground.errors import Unavailable
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import asker_of_key, make_key
from sanqu.ground.people.persons import add_person
from sanqu.ground.people.units import Unit, save_units
from sanqu.lines.live.devices import add_device
from sanqu.lines.live.promise import age_of, burns, keep_watch, seconds_of
from sanqu.lines.live.standing import stop
from sanqu.lines.live.watch import watch_lines
from sanqu.lines.records import Line
from tests.live.conftest import READINGS, Flow, make_line, rows, until

BROKEN = "INSERT INTO live_promise (line, minute, kept) SELECT %s, date_trunc('minute', now()) - n * interval '1 minute', false FROM generate_series(1, %s) n"


@pytest.fixture
def line(city: City) -> Line:
    with city.db.connection() as conn:
        save_units(conn, [Unit("330800", None, "city", "city", Text(zh="衢州市", en="Quzhou"))])
    return make_line(city, {**READINGS, "freshness": "PT1M"}, source={"kind": "push"}, lane="livelihood")


@pytest.fixture
def key(city: City) -> Callable[[str, str], str]:
    """Makes a person with a role at the unit and gives them a key."""

    def make(login: str, role: str) -> str:
        with city.db.connection() as conn:
            return make_key(conn, SYSTEM, add_person(conn, SYSTEM, login, login, [(role, "330800")]), "test")

    return make


@pytest.fixture
def open_site(city: City, serve: Callable[[City], str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=serve(city), timeout=30) as client:
        yield client


def test_a_device_sends_with_its_own_secret_and_to_its_own_line_only(city: City, line: Line, flow: Flow, open_site: httpx.Client) -> None:
    other = make_line(city, {**READINGS, "name": "others"}, source={"kind": "push"})
    secret = add_device(city, line, "station-7", SYSTEM)
    row = {"id": 1, "station": "衢江", "value": 2}
    sent = open_site.post(f"/api/live/{line.name}", json=row, auth=("station-7", secret))
    assert (sent.status_code, sent.json()["accepted"]) == (202, 1)
    until(lambda: rows(city, columns="id, station") == [(1, "衢江")])
    assert open_site.post(f"/api/live/{other.name}", json=row, auth=("station-7", secret)).json()["code"] == "live.device-elsewhere"
    assert open_site.post(f"/api/live/{line.name}", json=row, auth=("station-7", secret + "x")).status_code == 401
    assert open_site.post(f"/api/live/{line.name}", json=row, headers={"Authorization": "Basic ?"}).status_code == 401
    # Nor does it open anything else.
    assert open_site.get("/api/live", auth=("station-7", secret)).status_code == 401
    assert rows(city, "others") == []


def test_how_lines_stand_is_told_with_the_cause_to_those_who_answer_for_them(
    city: City, line: Line, key: Callable[[str, str], str], open_site: httpx.Client
) -> None:
    fault = Unavailable("test.gone", Text(zh="来源没有了", en="The source is gone"), Text(zh="找来源单位", en="Ask whoever runs it"), "db7")
    stop(city, line.name, fault, "in", 30)
    said = open_site.get("/api/live", headers={"Authorization": key("wang", "steward")}).json()
    assert said["count"] == 1 and said["lines"][0]["state"] == "stopped"
    why = said["lines"][0]["trouble"]
    assert why["what"] == {"zh": "来源没有了", "en": "The source is gone"} and why["next_try"] and why["leg"] == "in"
    assert open_site.get("/api/live?state=flowing", headers={"Authorization": key("li", "admin")}).json()["count"] == 0
    as_file = open_site.get("/api/live.csv?q=gone", headers={"Authorization": key("zhao", "admin")}).text
    assert "The source is gone" in as_file or "来源没有了" in as_file
    # A stranger learns nothing of it.
    with city.db.connection() as conn:
        save_units(conn, [Unit("330899", None, "city", "city", Text(zh="别处", en="Elsewhere"))])
        far = make_key(conn, SYSTEM, add_person(conn, SYSTEM, "far", "far", [("steward", "330899")]), "test")
    assert open_site.get("/api/live", headers={"Authorization": far}).json() == {"count": 0, "lines": []}
    assert open_site.get(f"/api/live/{line.name}", headers={"Authorization": far}).status_code == 403


def test_a_line_that_nobody_carries_says_so(city: City, line: Line) -> None:
    with city.db.connection() as conn:
        conn.execute("UPDATE live_line SET state = 'flowing', changed = now() - interval '1 minute'")
    (one,) = watch_lines(city, SYSTEM)
    assert one.state == "waiting" and one.trouble is not None and "sanqu live" in one.trouble.todo.en


def test_a_broken_promise_is_told_to_the_steward_once_and_again_when_it_is_kept(
    city: City, line: Line, key: Callable[[str, str], str]
) -> None:
    steward = asker_of_key(city, key("wang", "steward"))
    assert steward is not None
    with city.db.connection() as conn:
        conn.execute("UPDATE live_line SET state = 'flowing', carried = now() - interval '2 minutes'")
        conn.execute(BROKEN, (line.name, 8))
    assert burns(city)[line.name].alert == ""
    keep_watch(city)
    assert burns(city)[line.name].alert == "fast"
    keep_watch(city)
    told, count = notices_of(city, steward)
    assert count == 1 and "PT1M" in told[0].text.en and told[0].link == "/live/readings"
    with city.db.connection() as conn:
        conn.execute("UPDATE live_promise SET kept = true")
        conn.execute("UPDATE live_line SET carried = now()")
        conn.execute("DELETE FROM live_promise WHERE minute > now() - interval '1 minute'")
    keep_watch(city)
    assert notices_of(city, steward)[1] == 2


def test_a_source_that_says_that_nothing_changed_keeps_its_promise() -> None:
    at = datetime(2026, 11, 26, tzinfo=UTC)
    long_ago = at - timedelta(days=1)
    assert age_of("postgres", "flowing", 0, long_ago, long_ago, at) == 0
    assert age_of("postgres", "stopped", 0, long_ago, long_ago, at) == 86_400
    assert age_of("push", "flowing", 0, None, long_ago, at) == 86_400


@given(st.integers(0, 400), st.integers(0, 50), st.integers(0, 100), st.integers(0, 5000))
def test_durations_are_read_as_they_are_written(days: int, hours: int, minutes: int, seconds: int) -> None:
    said = seconds_of(f"P{days}DT{hours}H{minutes}M{seconds}S")
    assert said == timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    assert seconds_of("P1W") == 7 * 86_400 and seconds_of("PT") is None and seconds_of("daily") is None


def test_prometheus_is_told_rows_latency_and_state(
    city: City, line: Line, flow: Flow, key: Callable[[str, str], str], open_site: httpx.Client
) -> None:
    steward = {"Authorization": key("wang", "steward")}
    sent = [{"id": n, "station": "s", "value": n} for n in range(10)] + [{"id": 99, "station": "s", "value": -1}]
    assert open_site.post("/api/live/readings", json=sent, headers=steward).status_code == 202
    until(lambda: 'sanqu_line_read_rows_total{line="readings"} 11\n' in open_site.get("/metrics").text)
    text = open_site.get("/metrics").text
    assert 'sanqu_line_written_rows_total{line="readings"} 10\n' in text
    assert 'sanqu_line_refused_rows_total{line="readings"} 1\n' in text
    assert 'sanqu_line_latency_seconds_count{line="readings"} 11\n' in text
    assert 'sanqu_line_state{line="readings",lane="livelihood",state="flowing"} 1\n' in text
    buckets = [float(row.rsplit(" ", 1)[1]) for row in text.splitlines() if row.startswith("sanqu_line_latency_seconds_bucket")]
    assert buckets == sorted(buckets) and buckets[-1] == 11
    assert "process_resident_memory_bytes" in text
    # What a proxy asks for others is not from here.
    assert open_site.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 401
    assert open_site.get("/metrics", headers=steward).status_code == 403
    assert open_site.get("/metrics", headers={"Authorization": key("li", "admin"), "X-Forwarded-For": "203.0.113.9"}).status_code == 200


def test_the_last_rounds_of_a_line_tell_their_way_and_trace(
    city: City, line: Line, flow: Flow, key: Callable[[str, str], str], open_site: httpx.Client
) -> None:
    steward = {"Authorization": key("wang", "steward")}
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    open_site.post("/api/live/readings", json={"id": 1, "station": "s"}, headers={**steward, "traceparent": trace})
    told = until(lambda: open_site.get("/api/live/readings", headers=steward).json()["ways"])
    way = told[-1]
    moments = [way["source"][0], way["gathered"], way["checked"], way["committed"], way["told"]]
    assert way["traces"] == [trace]
    assert all(later - earlier > -50 for earlier, later in itertools.pairwise(moments)), moments
