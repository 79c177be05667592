"""Stream processing: choose, look up, dedupe, windows with late rows, areas; the state is there after a restart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput
from sanqu.lake import Commit, Contract, lake_of
from sanqu.lines.live.meters import lately
from sanqu.lines.live.push import PushDoor, push_rows
from sanqu.lines.quarantine import list_quarantine
from sanqu.lines.records import Line
from tests.live.conftest import Flow, make_line, rows, until

INPUT = [
    {"name": "device", "type": "string", "constraints": {"required": True}},
    {"name": "value", "type": "number"},
    {"name": "at", "type": "datetime"},
    {"name": "lon", "type": "number"},
    {"name": "lat", "type": "number"},
]


def contract(name: str, *fields: tuple[str, str], key: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "name": name, "title": {"zh": name}, "steward": "330800", "primaryKey": list(key),
        "fields": [{"name": item, "type": type_} for item, type_ in fields],
    }  # fmt: skip


def push(city: City, line: Line, *said: dict[str, Any]) -> None:
    import asyncio

    async def send() -> None:
        door = PushDoor(city)
        await push_rows(door, line, said)
        await door.aclose()

    asyncio.run(send())


def at(minute: int, second: int = 0, **more: Any) -> dict[str, Any]:
    return {"device": "d1", "value": 1.0, "at": f"2026-11-26 08:{minute:02}:{second:02}", **more}


@pytest.fixture
def devices(city: City) -> None:
    """A dataset to look things up in."""
    lake_of(city).declare(Contract.from_descriptor(contract("devices", ("device", "string"), ("town", "string"), key=("device",))), "test")
    with lake_of(city).engine() as duck:
        lake_of(city).upsert("devices", "SELECT 'd1' AS device, '廿里镇' AS town", Commit("test"), duck=duck)


def test_rows_are_chosen_computed_and_looked_up_in_sql(city: City, flow: Flow, devices: None) -> None:
    sql = "SELECT i.device, round(i.value * 1.8 + 32, 1) AS f, d.town FROM input i LEFT JOIN devices d USING (device) WHERE i.value IS NOT NULL"
    line = make_line(
        city, contract("heat", ("device", "string"), ("f", "number"), ("town", "string")), source={"kind": "push"}, input=INPUT,
        steps=[{"name": "converted", "sql": sql}],
    )  # fmt: skip
    push(city, line, at(0, value=20), at(0, value=None), at(0, device="d2", value=0))
    until(lambda: rows(city, "heat") == [("d1", 68.0, "廿里镇"), ("d2", 32.0, None)])


def test_what_steps_look_things_up_in_may_change_while_the_line_flows(city: City, flow: Flow, devices: None) -> None:
    sql = "SELECT i.device, d.town FROM input i LEFT JOIN devices d USING (device)"
    line = make_line(city, contract("heat", ("device", "string"), ("town", "string"), key=("device",)), source={"kind": "push"}, input=INPUT, steps=[{"name": "placed", "sql": sql}])
    push(city, line, at(0))
    until(lambda: rows(city, "heat") == [("d1", "廿里镇")])
    with lake_of(city).engine() as duck:
        lake_of(city).upsert("devices", "SELECT 'd1' AS device, '石梁镇' AS town", Commit("test"), duck=duck)
    push(city, line, at(1))
    until(lambda: rows(city, "heat") == [("d1", "石梁镇")])


def test_what_comes_out_is_checked_against_the_contract(city: City, flow: Flow) -> None:
    heat = contract("heat", ("device", "string"), ("f", "number"), key=("device",))
    heat["fields"][1]["constraints"] = {"maximum": 100}
    line = make_line(
        city, heat, source={"kind": "push"}, input=INPUT, steps=[{"name": "doubled", "sql": "SELECT device, value * 2 AS f FROM input"}]
    )
    push(city, line, at(0, value=10), at(0, device="d2", value=90), {"value": 1})
    until(lambda: rows(city, "heat") == [("d1", 20.0)])
    refused = until(lambda: (found := list_quarantine(city, line="heat")) and len(found) == 2 and found)
    assert {(one.faults[0].item, one.faults[0].rule) for one in refused} == {("f", "maximum"), ("device", "required")}


WINDOWS = {
    "name": "minutes", "time": "at", "window": "PT5M", "delay": "PT1M",
    "sql": "SELECT window_start AS start, device, count(*) AS n, sum(value) AS total FROM input GROUP BY window_start, device",
}  # fmt: skip
PER_WINDOW = contract("minutes", ("start", "datetime"), ("device", "string"), ("n", "integer"), ("total", "number"), key=("start", "device"))
SHOWN = "strftime(start, '%H:%M'), device, n, total"


def test_windows_close_when_time_has_passed_and_late_rows_are_counted(city: City, flow: Flow) -> None:
    line = make_line(city, PER_WINDOW, source={"kind": "push"}, input=INPUT, steps=[WINDOWS])
    push(city, line, at(0), at(4, 59), at(5), at(5, 30))
    push(city, line, at(3, value=5.0))
    push(city, line, at(6))
    until(lambda: rows(city, "minutes", SHOWN) == [("08:00", "d1", 3, 7.0)])
    push(city, line, at(1), at(2))
    push(city, line, at(11, 30))
    until(lambda: rows(city, "minutes", SHOWN) == [("08:00", "d1", 3, 7.0), ("08:05", "d1", 3, 3.0)])
    until(lambda: (told := lately(city, line="minutes").get("minutes")) and told.late == 2)


def test_what_waits_in_open_windows_is_there_after_a_restart(city: City) -> None:
    line = make_line(city, PER_WINDOW, source={"kind": "push"}, input=INPUT, steps=[WINDOWS])
    for said in ([at(0), at(1)], [at(2)], [at(9)]):
        flow = Flow(city)
        flow.start()
        push(city, line, *said)
        until(lambda: lately(city, line="minutes").get("minutes") is not None)
        last = said[-1]["at"]
        until(lambda last=last: last in json.dumps(rows(city, "live/minutes/minutes", 'max("at")'), default=str) or last.endswith("09:00"))  # type: ignore[misc]
        if last.endswith("09:00"):
            until(lambda: rows(city, "minutes", SHOWN) == [("08:00", "d1", 3, 3.0)])
        flow.stop()


def test_hopping_windows_overlap(city: City, flow: Flow) -> None:
    line = make_line(city, PER_WINDOW, source={"kind": "push"}, input=INPUT, steps=[{**WINDOWS, "window": "PT10M", "hop": "PT5M", "delay": "PT0S"}])
    push(city, line, at(1), at(6))
    push(city, line, at(15))
    until(lambda: [row[:3] for row in rows(city, "minutes", SHOWN)] == [("07:55", "d1", 1), ("08:00", "d1", 2), ("08:05", "d1", 1)])


def test_the_same_within_a_window_goes_on_once(city: City, flow: Flow) -> None:
    line = make_line(
        city, contract("seen", ("device", "string"), ("at", "datetime")), source={"kind": "push"}, input=INPUT,
        steps=[{"name": "once", "dedupe": ["device"], "window": "PT10M", "time": "at"}],
    )  # fmt: skip
    push(city, line, at(0), at(0, 30), at(1, device="d2"))
    until(lambda: len(rows(city, "seen")) == 2)
    push(city, line, at(5))
    push(city, line, at(11))
    until(lambda: [row[0] for row in rows(city, "seen", 'strftime("at", \'%M\'), device')] == ["00", "01", "11"])


def test_rows_get_the_area_in_which_they_lie(city: City, flow: Flow) -> None:
    grids = contract("grids", ("code", "string"), ("shape", "geojson"), key=("code",))
    lake_of(city).declare(Contract.from_descriptor(grids), "test")
    square = json.dumps({"type": "Polygon", "coordinates": [[[118, 28], [119, 28], [119, 29], [118, 29], [118, 28]]]})
    small = json.dumps({"type": "Polygon", "coordinates": [[[118.4, 28.4], [118.6, 28.4], [118.6, 28.6], [118.4, 28.6], [118.4, 28.4]]]})
    with lake_of(city).engine() as duck:
        lake_of(city).upsert("grids", f"SELECT * FROM (VALUES ('county', '{square}'), ('town', '{small}')) t(code, shape)", Commit("t"), duck=duck)
    line = make_line(
        city, contract("placed", ("device", "string"), ("grids_code", "string")), source={"kind": "push"}, input=INPUT,
        steps=[{"name": "where", "fence": {"dataset": "grids", "geometry": "shape", "lon": "lon", "lat": "lat", "take": ["code"]}}],
    )  # fmt: skip
    push(city, line, at(0, device="a", lon=118.5, lat=28.5), at(0, device="b", lon=118.1, lat=28.1), at(0, device="c", lon=100, lat=28), at(0, device="e"))
    until(lambda: rows(city, "placed") == [("a", "town"), ("b", "county"), ("c", None), ("e", None)])


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"name": "s", "sql": "SELECT * FROM read_csv('/etc/passwd')"}, "sql.not-allowed"),
        ({"name": "s", "sql": "DROP TABLE input"}, "sql.not-allowed"),
        ({"name": "s", "sql": "SELECT * FROM nowhere"}, "lake.no-dataset"),
        ({"name": "s", "dedupe": ["device"], "window": "five"}, "live.step"),
        ({"name": "s", "sql": "SELECT 1 AS a FROM input", "window": "PT5M", "hop": "PT2M", "time": "at"}, "live.step"),
    ],
)
def test_a_step_that_cannot_be_is_refused_when_the_line_is_made(city: City, step: dict[str, Any], said: str) -> None:
    with pytest.raises((BadInput, Exception)) as caught:
        make_line(city, contract("x", ("a", "integer")), source={"kind": "push"}, input=INPUT, steps=[step])
    assert getattr(caught.value, "code", "") == said


def test_one_line_fills_several_datasets_in_one_commit_and_goes_on_from_the_state_it_kept(city: City, flow: Flow) -> None:
    lake_of(city).declare(Contract.from_descriptor(contract("heat-points", ("device", "string"), ("value", "number"))), "test")
    state = contract("heat-sums", ("device", "string"), ("total", "number"), key=("device",))
    state["fields"][1]["constraints"] = {"maximum": 100}
    fold = "SELECT device, sum(value) + coalesce(any_value(before.total), 0) AS total FROM input AS i LEFT JOIN \"heat-sums\" AS before USING (device) GROUP BY device"
    line = make_line(
        city, state, source={"kind": "push"}, input=INPUT,
        steps=[{"name": "points", "sql": "SELECT device, value FROM input", "into": "heat-points"}, {"name": "sums", "sql": fold}],
    )  # fmt: skip
    push(city, line, at(0, value=20), at(0, value=2), at(0, device="d2", value=7))
    until(lambda: rows(city, "heat-sums") == [("d1", 22.0), ("d2", 7.0)])
    push(city, line, at(1, value=10), at(1, device="d2", value=95))
    until(lambda: rows(city, "heat-sums") == [("d1", 32.0), ("d2", 7.0)])
    assert sorted(rows(city, "heat-points")) == [("d1", 2.0), ("d1", 10.0), ("d1", 20.0), ("d2", 7.0), ("d2", 95.0)]
    [refused] = list_quarantine(city, line="heat-sums")
    assert (refused.faults[0].item, refused.faults[0].rule) == ("total", "maximum")


def test_a_dataset_is_filled_by_one_step_and_the_last_fills_the_lines_own(city: City) -> None:
    with pytest.raises(BadInput, match="into"):
        Line.from_descriptor({"name": "x", "dataset": "a", "source": {"kind": "push"}, "input": INPUT, "steps": [{"name": "s", "sql": "SELECT * FROM input", "into": "b"}]})
