"""Traces (OpenTelemetry) from source row to reader, where `otlp_url` names a collector; else nothing is loaded and nothing done.

A span a message and stage: `gather` (at the source → kept), `carry` (kept → committed), `deliver` (committed → told to a reader).
They are joined by the `traceparent` (W3C Trace Context) that travels with the message.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sanqu.ground.city import City

log = logging.getLogger(__name__)

# Spans of a burst wait here until they are sent; what does not fit is left out, and rows are never held up.
MOST_WAITING, AT_ONCE = 65_536, 2_048


class Tracer:
    """Whoever makes spans in this process."""

    def __init__(self, city: City) -> None:
        self._provider = _opened(city.settings.otlp_url) if city.settings.otlp_url else None
        self._tracer = self._provider.get_tracer("sanqu") if self._provider is not None else None

    def close(self) -> None:
        """Send what waits."""
        if self._provider is not None:
            self._provider.shutdown()

    @property
    def on(self) -> bool:
        """Whether anybody wants to know."""
        return self._tracer is not None

    def begin(self, name: str, parent: str, at: int, **said: str | int) -> tuple[str, Any]:
        """Begin a span at `at` (ms since 1970) below the traceparent `parent` (empty: a new trace); gives its own traceparent, and it."""
        if self._tracer is None:
            return parent, None
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        context = TraceContextTextMapPropagator().extract({"traceparent": parent} if parent else {})
        attributes: Mapping[str, str | int] = {f"sanqu.{key}": value for key, value in said.items()}
        span = self._tracer.start_span(name, context=context, start_time=at * 1_000_000, attributes=attributes)
        told = span.get_span_context()
        return f"00-{told.trace_id:032x}-{told.span_id:016x}-{told.trace_flags:02x}", span

    def note(self, name: str, parent: str, start: int, end: int, **said: str | int) -> str:
        """A span from `start` to `end` (ms since 1970); gives its traceparent."""
        trace, span = self.begin(name, parent, start, **said)
        if span is not None:
            span.end(max(start, end) * 1_000_000)
        return trace


def tracer_of(city: City) -> Tracer:
    """The tracer of this process."""
    return city.part(Tracer, Tracer)


def _opened(url: str) -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.error("otlp_url is set, and OpenTelemetry is not installed: pip install 'sanqu[telemetry]'")
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": "sanqu"}))
    exporter = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces", timeout=10)
    provider.add_span_processor(BatchSpanProcessor(exporter, MOST_WAITING, schedule_delay_millis=1000, max_export_batch_size=AT_ONCE))
    return provider
