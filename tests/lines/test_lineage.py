"""Lineage: what each item is made of, through columns and steps; runs told as OpenLineage events to a real receiver."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import work
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.units import Unit, save_units
from sanqu.lake import Contract
from sanqu.lines.keeping import save_line
from sanqu.lines.lineage import From, columns_of
from sanqu.lines.openlineage import tell_live
from sanqu.lines.records import Line
from sanqu.lines.run import run_line


def contract(name: str, *items: str, **more: Any) -> Contract:
    fields = [{"name": item, "type": "string"} for item in items]
    return Contract.from_descriptor(
        {"name": name, "title": {"zh": name, "en": name}, "steward": "330800", "fields": fields, "opening": "unconditional", "grade": "L1", **more}
    )


TOWNS = contract("towns", "station", "town", primaryKey=["station"])
MEANS = contract("means", "town", "at", "pm", "n", "unfilled")
INPUT = [{"name": "station", "type": "string"}, {"name": "pm25", "type": "number"}, {"name": "at", "type": "datetime"}, {"name": "lon", "type": "number"}, {"name": "lat", "type": "number"}]


def made(**said: Any) -> dict[str, tuple[From, ...]]:
    line = Line.from_descriptor({"name": "l", "dataset": "means", "mode": "append", "source": {"kind": "push"}, "input": INPUT, **said})
    return columns_of(line, MEANS, {"towns": TOWNS}.__getitem__)


def test_items_come_from_the_columns_that_fill_them() -> None:
    line = Line.from_descriptor({"name": "l", "dataset": "towns", "source": {"kind": "url", "url": "https://example.org/x.csv"}, "columns": {"站点": "station"}})
    assert columns_of(line, TOWNS, {}.__getitem__) == {"station": (From("", "站点"),), "town": (From("", "town"),)}


def test_steps_are_followed_through_windows_lookups_and_stars() -> None:
    steps = [
        {"name": "good", "sql": "SELECT *, pm25 * 2 AS twice FROM input WHERE pm25 IS NOT NULL"},
        {"name": "once", "dedupe": ["station", "at"], "window": "PT1H", "time": "at"},
        {"name": "means", "time": "at", "window": "PT1M", "sql": "SELECT station, window_start AS at, avg(twice) AS pm, count(*) AS n FROM once GROUP BY ALL"},
        {"name": "named", "sql": "WITH t AS (SELECT station AS s, town FROM towns) SELECT t.town, m.at, m.pm, m.n FROM means m JOIN t ON t.s = m.station"},
    ]
    assert made(steps=steps, columns={"PM2.5": "pm25"}) == {
        "town": (From("towns", "town"),), "at": (From("", "at"),), "pm": (From("", "PM2.5"),), "n": (), "unfilled": (),
    }  # fmt: skip


def test_what_a_fence_gives_comes_from_the_areas_and_the_place() -> None:
    fence = {"dataset": "towns", "geometry": "station", "lon": "lon", "lat": "lat", "take": ["town"]}
    steps = [{"name": "placed", "fence": fence}, {"name": "named", "sql": "SELECT towns_town AS town, at FROM placed"}]
    assert made(steps=steps)["town"] == (From("", "lat"), From("", "lon"), From("towns", "town"))


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Somebody who takes events: their address, and what came."""
    taken: list[dict[str, Any]] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api/v1/lineage", taken
    server.shutdown()


def check_shape(event: dict[str, Any]) -> None:
    """What the specification of a RunEvent asks for (OpenLineage.json 2-0-2, and its facets)."""
    assert event["eventType"] in ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")
    assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    assert ":" in event["producer"] and event["schemaURL"].startswith("https://openlineage.io/spec/")
    uuid.UUID(event["run"]["runId"])
    facets = [*event["run"]["facets"].values(), *event["job"]["facets"].values()]
    for thing in [event["job"], *event["inputs"], *event["outputs"]]:
        assert thing["namespace"] and thing["name"]
        facets += [*thing.get("facets", {}).values(), *thing.get("outputFacets", {}).values()]
    assert facets and all(facet["_producer"] and facet["_schemaURL"].startswith("https://") for facet in facets)
    inputs = {(one["namespace"], one["name"]) for one in event["inputs"]}
    for output in event["outputs"]:
        names = {field["name"] for field in output["facets"]["schema"]["fields"]}
        for item, said in output["facets"]["columnLineage"]["fields"].items():
            assert item in names
            for one in said["inputFields"]:
                assert one.keys() >= {"namespace", "name", "field"} and (one["namespace"], one["name"]) in inputs


@pytest.fixture
def told(city: City, receiver: tuple[str, list[dict[str, Any]]]) -> City:
    """A city whose runs are told to the receiver."""
    with city.db.connection() as conn:
        save_units(conn, [Unit("330800", None, "city", "city", Text(zh="衢州市", en="Quzhou"))])
    object.__setattr__(city, "settings", city.settings.model_copy(update={"openlineage_url": receiver[0]}))
    register_contract(city, TOWNS, "system", state="published")
    register_contract(city, MEANS, "system", state="published")
    return city


def test_a_run_is_told_from_its_start_to_its_end(told: City, receiver: tuple[str, list[dict[str, Any]]]) -> None:
    file = told.settings.home / "towns.csv"
    file.write_text("站点,town\ns1,廿里镇\ns2,航埠镇\n")
    save_line(told, Line.from_descriptor({"name": "towns", "dataset": "towns", "source": {"kind": "file", "path": str(file)}, "columns": {"站点": "station"}}), SYSTEM)
    run_line(told, "towns")
    file.unlink()
    run_line(told, "towns")
    # Events of one line go one after another; a worker that stops when nothing is free takes one at a time.
    for _ in range(4):
        thread = threading.Thread(target=work, args=(told,), kwargs={"until_idle": True})
        thread.start()
        thread.join(60)
    _, taken = receiver
    for event in taken:
        check_shape(event)
    assert [event["eventType"] for event in taken] == ["START", "COMPLETE", "START", "FAIL"]
    assert taken[0]["run"]["runId"] == taken[1]["run"]["runId"] != taken[2]["run"]["runId"]
    done = taken[1]["outputs"][0]
    assert done["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert done["facets"]["columnLineage"]["fields"]["station"]["inputFields"][0]["field"] == "站点"
    assert taken[1]["inputs"] == [{"namespace": "file", "name": str(file)}]
    assert taken[3]["run"]["facets"]["errorMessage"]["message"]


def test_a_live_line_is_told_while_it_runs(told: City, receiver: tuple[str, list[dict[str, Any]]]) -> None:
    steps = [{"name": "named", "sql": "SELECT t.town, i.at, CAST(i.pm25 AS VARCHAR) AS pm FROM input i JOIN towns t USING (station)"}]
    save_line(told, Line.from_descriptor({"name": "means", "dataset": "means", "mode": "append", "source": {"kind": "push"}, "input": INPUT, "steps": steps}), SYSTEM)
    with told.db.connection() as conn:
        conn.execute("INSERT INTO lines_run (line, dataset, state, actor) VALUES ('means', 'means', 'running', 'live')")
        conn.execute("UPDATE live_line SET state = 'flowing', written = 7")
    tell_live(told)
    (event,) = receiver[1]
    check_shape(event)
    assert event["eventType"] == "RUNNING" and event["job"]["facets"]["jobType"]["processingType"] == "STREAMING"
    assert {one["name"] for one in event["inputs"]} == {"push/means", "towns"}
    assert event["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 7


def test_lineage_is_read_by_whoever_may_know_the_dataset_and_hides_those_they_may_not(told: City, site: httpx.Client) -> None:
    steps = [{"name": "named", "sql": "SELECT t.town, i.at FROM input i JOIN towns t USING (station)"}]
    save_line(told, Line.from_descriptor({"name": "means", "dataset": "means", "mode": "append", "source": {"kind": "push"}, "input": INPUT, "steps": steps}), SYSTEM)
    said = site.get("/api/lineage/means").json()
    assert said["items"]["town"] == [{"line": "means", "kind": "push", "dataset": "towns", "item": "town"}]
    assert said["events"] == []
    with told.db.connection() as conn:
        conn.execute("UPDATE catalog_dataset SET audience = ARRAY['admin'] WHERE name = 'towns'")
    assert site.get("/api/lineage/means").json()["items"]["town"][0]["dataset"] is None
    assert site.get("/api/lineage/towns").status_code == 404
