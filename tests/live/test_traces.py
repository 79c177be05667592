"""Traces from source row to reader, as a collector that speaks OTLP receives them."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.persons import add_person
from sanqu.ground.people.units import Unit, save_units
from sanqu.ground.telemetry import tracer_of
from sanqu.lake import Contract
from sanqu.lines.live.standing import standing_of
from sanqu.lines.live.stream import connect
from sanqu.sharing.subscribers.deliver import deliver
from tests.conftest import database_url
from tests.live.conftest import READINGS, Flow, make_line, rows, until
from tests.live.test_others import publish
from tests.servers import mosquitto_server
from tests.sharing.test_subscriptions import Receiver, receiver

trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="sanqu[telemetry] is not installed")

Span = tuple[str, str, str, str]
OPEN = {**READINGS, "opening": "unconditional", "grade": "L1", "description": {"zh": "读数", "en": "Readings"}}
__all__ = ["receiver"]


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Span]]]:
    """The address of a collector, and the spans that came: name, trace, own number, parent's number."""
    spans: list[Span] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            said = trace_service.ExportTraceServiceRequest.FromString(body)
            spans.extend(
                (one.name, one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex())
                for resource in said.resource_spans for scope in resource.scope_spans for one in scope.spans
                if one.end_time_unix_nano >= one.start_time_unix_nano > 0
            )  # fmt: skip
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Taking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()


@pytest.fixture
def traced(collector: tuple[str, list[Span]], city: City) -> City:
    """A city that sends its traces to the collector; closed, it sends the last of them, so the collector goes after it."""
    city.settings = city.settings.model_copy(update={"otlp_url": collector[0]})
    return city


@pytest.fixture
def told(traced: City, serve: Callable[[City], str]) -> Callable[[Callable[[], object]], str]:
    """Sends a row while somebody reads the feed of the dataset; gives the trace that the reader is told."""
    with traced.db.connection() as conn:
        save_units(conn, [Unit("330800", None, "city", "city", Text(zh="衢州市", en="Quzhou"))])
    register_contract(traced, Contract.from_descriptor(OPEN), "system", state="published")

    def send_and_read(send: Callable[[], object]) -> str:
        with httpx.Client(base_url=serve(traced), timeout=20) as client, client.stream("GET", "/api/feed/readings") as feed:
            lines = feed.iter_lines()
            assert any("begin" in line for line in lines)
            send()
            assert any(line == "event: way" for line in lines)
            way = next(line for line in lines if line.startswith("data: "))
            return str(json.loads(way.removeprefix("data: "))["trace"]).split("-")[1]

    return send_and_read


def chain(spans: list[Span], trace: str) -> str:
    """The parent of the span in which a trace begins here: it goes from `gather` over `carry` to `deliver`, each below the one before."""
    found = until(lambda: {name: rest for name, one, *rest in spans if one == trace} if sum(one[1] == trace for one in spans) >= 3 else None)
    assert found["carry"][1] == found["gather"][0] and found["deliver"][1] == found["carry"][0]
    return str(found["gather"][1])


def test_a_row_is_followed_from_its_sender_to_its_reader_in_one_trace(
    traced: City, flow: Flow, serve: Callable[[City], str], collector: tuple[str, list[Span]], told: Callable[[Callable[[], object]], str],
    receiver: Receiver,
) -> None:  # fmt: skip
    make_line(traced, OPEN, source={"kind": "push"})
    with traced.db.connection() as conn:
        key = make_key(conn, SYSTEM, add_person(conn, SYSTEM, "wang", "王", [("admin", "330800")]), "test")
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    headers = {"Authorization": key, "traceparent": f"00-{trace}-{parent}-01"}
    with httpx.Client(base_url=serve(traced), headers=headers, timeout=20) as sender:
        wish = {"dataset": "readings", "kind": "webhook", "target": receiver.url}
        number = sender.post("/api/subscriptions", json=wish).json()["id"]
        assert told(lambda: sender.post("/api/live/readings", json={"id": 1, "station": "s"}).raise_for_status()) == trace
        assert chain(collector[1], trace) == parent
        # A receiver of a subscription goes on with the same trace.
        deliver(traced, number)
        assert receiver.got[0][0]["traceparent"].startswith(f"00-{trace}-")
        # A CloudEvent brings its trace itself (its extension “Distributed Tracing”).
        other = "0af7651916cd43dd8448eb211c80319c"
        event = {"specversion": "1.0", "id": "1", "source": "test", "type": "t", "data": {"id": 2, "station": "s"}, "traceparent": f"00-{other}-{parent}-01"}
        sent = lambda: sender.post("/api/live/readings", json=event, headers={"content-type": "application/cloudevents+json"}).raise_for_status()  # noqa: E731
        assert told(sent) == other


def test_a_change_of_a_table_is_followed_from_its_commit_to_its_reader(
    traced: City, flow: Flow, source_database: psycopg.Connection, postgres: str, collector: tuple[str, list[Span]],
    told: Callable[[Callable[[], object]], str],
) -> None:  # fmt: skip
    source_database.execute("CREATE TABLE readings (id int PRIMARY KEY, station text NOT NULL)")
    source_database.execute("INSERT INTO readings VALUES (1, 'a')")
    make_line(traced, OPEN, source={"kind": "postgres", "url": database_url(postgres, source_database.info.dbname), "table": "readings"})
    until(lambda: len(rows(traced)) == 1)
    trace = told(lambda: source_database.execute("INSERT INTO readings VALUES (2, 'b')"))
    assert chain(collector[1], trace) == ""


def test_a_message_of_a_device_is_followed_from_its_broker_to_its_reader(
    traced: City, flow: Flow, collector: tuple[str, list[Span]], told: Callable[[Callable[[], object]], str]
) -> None:
    with mosquitto_server() as port:
        make_line(traced, OPEN, source={"kind": "mqtt", "topic": "air/#", "url": f"mqtt://127.0.0.1:{port}"})
        until(lambda: standing_of(traced, "readings").state == "flowing")
        # MQTT 3.1.1 has no place for a trace: it begins when the message arrives. In MQTT 5 a user property brings it.
        assert chain(collector[1], told(lambda: publish(port, "air/1", ['{"id": 1, "station": "s"}']))) == ""
        trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
        given = Properties(PacketTypes.PUBLISH)
        given.UserProperty = ("traceparent", f"00-{trace}-{parent}-01")
        assert told(lambda: publish(port, "air/1", ['{"id": 2, "station": "s"}'], protocol=mqtt.MQTTv5, properties=given)) == trace
        assert chain(collector[1], trace) == parent


def test_on_the_own_bus_a_trace_begins_at_arrival_or_goes_on_with_the_header(
    traced: City, flow: Flow, collector: tuple[str, list[Span]], told: Callable[[Callable[[], object]], str]
) -> None:
    make_line(traced, OPEN, source={"kind": "nats", "subject": "city.air.>"})
    until(lambda: standing_of(traced, "readings").state == "flowing")

    async def send(number: int, headers: dict[str, str]) -> None:
        client = await connect(traced.bus.url, "test")
        await client.publish("city.air.1", json.dumps({"id": number, "station": "s"}).encode(), headers=headers)
        await client.close()

    # What is no traceparent counts as none.
    assert chain(collector[1], told(lambda: asyncio.run(send(1, {"traceparent": "00-x"})))) == ""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert told(lambda: asyncio.run(send(2, {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}))) == trace


def test_without_a_collector_nothing_is_traced(city: City) -> None:
    assert not tracer_of(city).on
    assert tracer_of(city).note("carry", "00-x", 1, 2) == "00-x"
