"""Rows pushed over HTTP: kept before they are answered, in the dataset within a second, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.persons import add_person
from sanqu.ground.people.units import Unit, save_units
from sanqu.lines.quarantine import list_quarantine
from sanqu.lines.records import Line
from tests.live.conftest import Flow, make_line, rows, until


@pytest.fixture
def line(city: City) -> Line:
    with city.db.connection() as conn:
        save_units(conn, [Unit("330800", None, "city", "city", Text(zh="衢州市", en="Quzhou"))])
    return make_line(city, source={"kind": "push"}, lane="livelihood")


@pytest.fixture
def device(city: City, line: Line, serve: Callable[[City], str], flow: Flow) -> Iterator[httpx.Client]:
    """A program of the dataset's steward."""
    with city.db.connection() as conn:
        person = add_person(conn, SYSTEM, "wang", "王", [("steward", "330800")])
        key = make_key(conn, SYSTEM, person, "device")
    with httpx.Client(base_url=serve(city), headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        yield client


def reading(number: int, **more: object) -> dict[str, object]:
    return {"id": number, "station": "衢江", "value": number / 2, "at": "2026-11-26 08:00:00", **more}


def test_a_row_that_was_pushed_is_in_the_dataset(city: City, device: httpx.Client) -> None:
    answer = device.post("/api/live/readings", json=reading(1))
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "repeated": 0})
    until(lambda: rows(city, columns="id, station, value") == [(1, "衢江", 0.5)])


def test_the_same_key_brings_nothing_twice(city: City, device: httpx.Client) -> None:
    headers = {"Idempotency-Key": "a-1"}
    assert device.post("/api/live/readings", json=[reading(1), reading(2)], headers=headers).json()["repeated"] == 0
    assert device.post("/api/live/readings", json=[reading(1), reading(2)], headers=headers).json() == {"accepted": 2, "repeated": 2}
    until(lambda: len(rows(city)) == 2)


def test_rows_line_by_line_are_taken_in_as_they_come(city: City, device: httpx.Client) -> None:
    body = "".join(f'{{"id": {n}, "station": "s", "value": {n}}}\n' for n in range(2500))
    answer = device.post("/api/live/readings", content=body, headers={"Content-Type": "application/x-ndjson"})
    assert answer.json()["accepted"] == 2500
    until(lambda: len(rows(city)) == 2500)


def test_a_line_that_is_no_row_is_named_and_what_came_before_it_stays(city: City, device: httpx.Client) -> None:
    body = "".join(f'{{"id": {n}, "station": "s"}}\n' for n in range(1200)) + "not json\n"
    answer = device.post("/api/live/readings", content=body, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 400
    assert answer.json()["facts"] == {"row": "1201", "accepted": 1000}
    until(lambda: len(rows(city)) == 1000)


def test_a_row_that_does_not_fit_waits_in_quarantine_and_the_others_go_on(city: City, device: httpx.Client) -> None:
    device.post("/api/live/readings", json=[reading(1), reading(2, value=-1), {"id": 3}, reading(4)])
    until(lambda: [row[0] for row in rows(city)] == [1, 4])
    refused = until(lambda: (found := list_quarantine(city, line="readings")) and len(found) == 2 and found)
    assert [(one.faults[0].item, one.faults[0].rule) for one in refused] == [("value", "minimum"), ("station", "required")]
    assert refused[0].place["row"] == 2


def test_the_last_word_of_a_key_counts(city: City, device: httpx.Client) -> None:
    device.post("/api/live/readings", json=[reading(1), reading(1, value=7), reading(2)])
    until(lambda: rows(city, columns="id, value") == [(1, 7.0), (2, 1.0)])
    device.post("/api/live/readings", json=reading(2, value=9))
    until(lambda: rows(city, columns="id, value") == [(1, 7.0), (2, 9.0)])


EVENT = {"specversion": "1.0", "id": "e-1", "source": "/stations/7", "type": "reading", "data": reading(1)}


def test_cloud_events_come_in_each_form_and_once(city: City, device: httpx.Client) -> None:
    structured = {"Content-Type": "application/cloudevents+json"}
    batched = {"Content-Type": "application/cloudevents-batch+json"}
    assert device.post("/api/live/readings", json=EVENT, headers=structured).json() == {"accepted": 1, "repeated": 0}
    both = [EVENT, {**EVENT, "id": "e-2", "data": reading(2)}]
    assert device.post("/api/live/readings", json=both, headers=batched).json() == {"accepted": 2, "repeated": 1}
    binary = {"ce-specversion": "1.0", "ce-id": "e-3", "ce-source": "/stations/7", "ce-type": "reading"}
    assert device.post("/api/live/readings", json=reading(3), headers=binary).json() == {"accepted": 1, "repeated": 0}
    until(lambda: [row[0] for row in rows(city)] == [1, 2, 3])
    answer = device.post("/api/live/readings", json={**EVENT, "id": ""}, headers=structured)
    assert (answer.status_code, answer.json()["facts"]) == (400, {"attribute": "id"})


def test_who_does_not_answer_for_the_dataset_pushes_nothing(device: httpx.Client, site: httpx.Client) -> None:
    assert site.post("/api/live/readings", json=reading(1)).status_code == 401
    assert device.post("/api/live/others", json=reading(1)).status_code == 404
