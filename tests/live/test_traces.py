"""Traces from source row to reader, as a collector that speaks OTLP receives them."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from sanqu.catalog.keeping import register_contract
from sanqu.ground.city import City
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM
from sanqu.ground.people.keys import make_key
from sanqu.ground.people.persons import add_person
from sanqu.ground.people.units import Unit, save_units
from sanqu.ground.telemetry import tracer_of
from sanqu.lake import Contract
from tests.live.conftest import READINGS, Flow, make_line, until

trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="sanqu[telemetry] is not installed")

Span = tuple[str, str, str, str]


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
def traced(city: City, collector: tuple[str, list[Span]]) -> City:
    """A city that sends its traces to the collector."""
    city.settings = city.settings.model_copy(update={"otlp_url": collector[0]})
    return city


def test_a_row_is_followed_from_its_sender_to_its_reader_in_one_trace(
    traced: City, flow: Flow, serve: Callable[[City], str], collector: tuple[str, list[Span]]
) -> None:
    with traced.db.connection() as conn:
        save_units(conn, [Unit("330800", None, "city", "city", Text(zh="衢州市", en="Quzhou"))])
        key = make_key(conn, SYSTEM, add_person(conn, SYSTEM, "wang", "王", [("steward", "330800")]), "test")
    contract = {**READINGS, "opening": "unconditional", "grade": "L1", "description": {"zh": "读数", "en": "Readings"}}
    register_contract(traced, Contract.from_descriptor(contract), "system", state="published")
    make_line(traced, contract, source={"kind": "push"})
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with httpx.Client(base_url=serve(traced), timeout=20) as client, client.stream("GET", "/api/feed/readings") as feed:
        lines = feed.iter_lines()
        assert any("begin" in line for line in lines)
        headers = {"Authorization": key, "traceparent": f"00-{trace}-{parent}-01"}
        with httpx.Client(base_url=client.base_url) as sender:
            assert sender.post("/api/live/readings", json={"id": 1, "station": "s"}, headers=headers).status_code == 202
        assert any(line == "event: way" for line in lines)
    spans = until(lambda: {name: rest for name, *rest in collector[1]} if len(collector[1]) >= 3 else None)
    assert {name: rest[0] for name, rest in spans.items()} == dict.fromkeys(("gather", "carry", "deliver"), trace)
    assert spans["gather"][2] == parent
    assert spans["carry"][2] == spans["gather"][1]
    assert spans["deliver"][2] == spans["carry"][1]



def test_without_a_collector_nothing_is_traced(city: City) -> None:
    assert not tracer_of(city).on
    assert tracer_of(city).note("carry", "00-x", 1, 2) == "00-x"
