"""What Prometheus gathers (GET /metrics): every line's rows, latency and state, and the process that answers; text format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import psutil
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from sanqu import __version__
from sanqu.ground.city import City
from sanqu.ground.http import InCity, asker_of, require_admin
from sanqu.ground.people.askers import SYSTEM
from sanqu.lines.live.meters import BUCKETS
from sanqu.lines.live.watch import Watched, watch_lines
from sanqu.sharing.subscribers.keeping import subscriptions_of

router = APIRouter(include_in_schema=False)

LOOPBACK = frozenset({"127.0.0.1", "::1"})
FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "via")
LIVE_STATES = ("off", "waiting", "loading", "flowing", "late", "stopped")
SUBSCRIPTION_STATES = ("on", "paused", "stopped")
TOTALS = "SELECT line, read, written, refused, late, latency FROM live_line ORDER BY line"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[str, Mapping[str, str], float]


@router.get("/metrics")
def metrics(request: Request, city: InCity) -> PlainTextResponse:
    """For an administrator's key, and for programs on this machine where the city is not behind a proxy."""
    if not _is_near(request, city) or asker_of(request).signed_in:
        require_admin(request)
    return PlainTextResponse("".join(exposition(city)), media_type=CONTENT_TYPE)


def _is_near(request: Request, city: City) -> bool:
    # A proxy on this machine asks from here for everybody: whoever sets one up sets public_url, or it says whom it asks for.
    here = request.client is not None and request.client.host in LOOPBACK
    return here and not city.settings.public_url and not any(name in request.headers for name in FORWARDED)


def exposition(city: City) -> Iterator[str]:
    """Every measure as text."""
    lines = [one for one in watch_lines(city, SYSTEM) if one.line.live]
    totals = city.db.all(TOTALS)
    for name, what in (
        ("read", "Rows that came"), ("written", "Rows that the lake took in or out"),
        ("refused", "Rows that did not fit the contract"), ("late", "Rows that came after their window closed"),
    ):  # fmt: skip
        yield from _family(f"sanqu_line_{name}_rows_total", "counter", what, (("", {"line": row["line"]}, row[name]) for row in totals))
    yield from _family("sanqu_line_latency_seconds", "histogram", "From source to lake", _histograms(totals))
    yield from _family("sanqu_line_backlog_messages", "gauge", "Messages that wait", ((("", _labels(one), one.backlog)) for one in lines))
    yield from _family("sanqu_line_state", "gauge", "1 for the state in which the line is", _states(lines))
    burning = [one for one in lines if one.burn is not None]
    rates = [("", _labels(one) | {"window": window}, rate) for one in burning if one.burn for window, rate in (("1h", one.burn.hour), ("6h", one.burn.six))]
    yield from _family("sanqu_line_freshness_burn_rate", "gauge", "How fast the allowance of broken minutes burns", rates)
    yield from _subscriptions(city)
    yield from _process()


def _subscriptions(city: City) -> Iterator[str]:
    """Who is brought what changes: how far each is behind, what it took, what was given up."""
    found = [({"subscription": str(one.id), "dataset": one.dataset, "kind": one.kind}, one) for one in subscriptions_of(city, limit=None)]
    for name, kind, what, field in (
        ("lag_seconds", "gauge", "How old the oldest change is that was not delivered", "lag"),
        ("deliveries_total", "counter", "Deliveries that were taken", "deliveries"),
        ("rows_total", "counter", "Changed rows that were taken", "rows"),
        ("dead_letters", "gauge", "Deliveries that were given up", "dead"),
        ("tries", "gauge", "Tries of the delivery at hand that failed", "tries"),
    ):  # fmt: skip
        yield from _family(f"sanqu_subscription_{name}", kind, what, [("", labels, getattr(one, field)) for labels, one in found])
    states = [("", labels | {"state": state}, float(one.state == state)) for labels, one in found for state in SUBSCRIPTION_STATES]
    yield from _family("sanqu_subscription_state", "gauge", "1 for the state in which the subscription is", states)


def _labels(one: Watched) -> dict[str, str]:
    return {"line": one.line.name, "lane": one.line.lane}


def _states(lines: Iterable[Watched]) -> Iterator[Sample]:
    for one in lines:
        yield from (("", _labels(one) | {"state": state}, float(one.state == state)) for state in LIVE_STATES)


def _histograms(totals: Sequence[Mapping[str, Any]]) -> Iterator[Sample]:
    """Octaves of 1 ms; the sum counts each row as the end of its finer bucket, at most a fifth too much."""
    for row in totals:
        counts = list(row["latency"]) or [0] * BUCKETS
        labels = {"line": str(row["line"])}
        for end in range(0, BUCKETS, 4):
            yield "_bucket", labels | {"le": f"{2 ** (end // 4) / 1000:g}"}, sum(counts[: end + 1])
        yield "_bucket", labels | {"le": "+Inf"}, sum(counts)
        yield "_sum", labels, sum(count * 2 ** (n / 4) / 1000 for n, count in enumerate(counts))
        yield "_count", labels, sum(counts)


def _process() -> Iterator[str]:
    process = psutil.Process()
    with process.oneshot():
        spent = process.cpu_times()
        said = (
            ("process_cpu_seconds_total", "counter", "Processor time", spent.user + spent.system),
            ("process_resident_memory_bytes", "gauge", "Memory", process.memory_info().rss),
            ("process_start_time_seconds", "gauge", "When the process began", process.create_time()),
            ("process_threads", "gauge", "Threads", process.num_threads()),
        )
    for name, kind, what, value in said:
        yield from _family(name, kind, what, [("", {}, value)])
    yield from _family("sanqu_build_info", "gauge", "The version", [("", {"version": __version__}, 1)])


def _family(name: str, kind: str, what: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {what}\n# TYPE {name} {kind}\n"
    for end, labels, value in samples:
        said = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{name}{end}{'{' + said + '}' if said else ''} {float(value):.17g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
