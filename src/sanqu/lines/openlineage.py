"""Runs of lines as OpenLineage events (openlineage.io, spec 2-0-2): what was read, what was written, item by item.

Events go to the setting `openlineage_url`, if there is one, as background work: START and COMPLETE or FAIL of batch runs, and
RUNNING of live lines every five minutes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

import orjson

from sanqu import __version__
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.jobs import defer, job
from sanqu.lake import Contract, lake_of
from sanqu.lines import keeping
from sanqu.lines.records import Counts, Line, Run, RunState

log = logging.getLogger(__name__)

SPEC = "https://openlineage.io/spec"
EVENT = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
PRODUCER = f"urn:sanqu:{__version__}"
DEFAULT_PORTS = {"postgres": 5432, "mysql": 3306}
LIVE_RUNS = """
SELECT DISTINCT ON (r.line) r.id, r.line, k.read, k.written FROM lines_run r JOIN live_line k ON k.line = r.line
WHERE r.state = 'running' AND k.state = 'flowing' ORDER BY r.line, r.id DESC
"""
KINDS = {RunState.RUNNING: "RUNNING", RunState.DONE: "COMPLETE", RunState.FAILED: "FAIL", RunState.CUT_OFF: "ABORT"}


def namespace_of(city: City) -> str:
    """The namespace of this city's datasets and lines."""
    return city.settings.public_url.rstrip("/") or f"sanqu://{city.settings.city.rpartition('/')[2]}"


def source_of(city: City, line: Line) -> tuple[str, str]:
    """The namespace and name of a line's source, as OpenLineage names such; without passwords."""
    source = line.source
    parts = urlsplit(source.url)
    host = f"{parts.hostname or 'local'}"
    if source.kind in ("postgres", "mysql", "sql"):
        kind = "mysql" if source.kind == "mysql" or parts.scheme.startswith(("mysql", "mariadb")) else "postgres"
        table = source.table or "query"
        named = table if kind == "mysql" or "." in table else f"public.{table}"
        return f"{kind}://{host}:{parts.port or DEFAULT_PORTS[kind]}", f"{parts.path.strip('/')}.{named}"
    if source.kind in ("file", "tail"):
        return "file", source.path
    if source.kind in ("mqtt", "nats"):
        return f"{source.kind}://{host if source.url else 'city'}", source.topic or source.subject
    if source.url:
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", source.dataset or source.resource or parts.path or "/"
    return namespace_of(city), f"{source.kind}/{source.generator or line.name}"


def event_of(
    city: City, line: Line, contract: Contract, kind: str, run: int, at: datetime, *, written: int | None = None,
    cause: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A run event; `cause` is the error of a run that failed."""
    # What follows SQL is large, and most processes that run lines tell nobody.
    from sanqu.lines.lineage import columns_of

    here, (source_space, source_name) = namespace_of(city), source_of(city, line)
    made = columns_of(line, contract, lake_of(city).contract)
    looked_up = sorted({one.dataset for parts in made.values() for one in parts if one.dataset})
    places = {"": (source_space, source_name)} | {name: (here, name) for name in looked_up}
    fields = {
        item: {"inputFields": [{"namespace": places[one.dataset][0], "name": places[one.dataset][1], "field": one.item} for one in parts]}
        for item, parts in made.items()
        if parts
    }
    shape = [{"name": item.name, "type": item.type, "description": item.title.zh or item.title.en} for item in contract.fields]
    output: dict[str, Any] = {
        "namespace": here, "name": contract.name,
        "facets": {
            "schema": _facet("facets/1-1-1/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet", fields=shape),
            "columnLineage": _facet("facets/1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet", fields=fields),
        },
    }  # fmt: skip
    if written is not None:
        told = _facet("facets/1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet", rowCount=written)
        output["outputFacets"] = {"outputStatistics": told}
    said = (cause or {}).get("what") or {}
    failed = {"errorMessage": _facet("facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet", message=said.get("en") or said.get("zh") or "", programmingLanguage="PYTHON")}
    how = {"processingType": "STREAMING" if line.live else "BATCH", "integration": "SANQU", "jobType": "LINE"}
    return {
        "eventType": kind, "eventTime": at.isoformat(), "producer": PRODUCER, "schemaURL": EVENT,
        "run": {"runId": str(uuid5(NAMESPACE_URL, f"{here}/runs/{run}")), "facets": failed if cause else {}},
        "job": {"namespace": here, "name": line.name, "facets": {"jobType": _facet("facets/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet", **how)}},
        "inputs": [{"namespace": space, "name": name} for space, name in places.values()],
        "outputs": [output],
    }  # fmt: skip


def event_of_run(city: City, line: Line, run: Run) -> dict[str, Any]:
    """The event of a run as it stands."""
    counts: Counts = run.counts
    return event_of(
        city, line, lake_of(city).contract(line.dataset), KINDS[run.state], run.id, run.ended or run.started,
        written=counts.written, cause=run.cause,
    )  # fmt: skip


def tell_start(city: City, line: Line, run: int) -> None:
    """Say that a batch run begins, where somebody wants to know."""
    if city.settings.openlineage_url:
        _queue(city, event_of(city, line, lake_of(city).contract(line.dataset), "START", run, now()))


def tell_end(city: City, line: Line, run: Run) -> None:
    """Say how a batch run ended, where somebody wants to know."""
    if city.settings.openlineage_url:
        _queue(city, event_of_run(city, line, run))


@job("lines.openlineage-live", every="*/5 * * * *")
def tell_live(city: City) -> None:
    """Say that live lines run, and what they wrote so far."""
    if not city.settings.openlineage_url:
        return
    for row in city.db.all(LIVE_RUNS):
        line = keeping.line_of(city, str(row["line"]))
        send(city, event_of(city, line, lake_of(city).contract(line.dataset), "RUNNING", int(row["id"]), now(), written=int(row["written"])))


@job("lines.openlineage")
def send(city: City, event: dict[str, Any]) -> None:
    """Send one event; one that is not taken is in the log, and lines run on."""
    import httpx

    try:
        answer = httpx.post(city.settings.openlineage_url, content=orjson.dumps(event), headers={"Content-Type": "application/json"}, timeout=10)
        answer.raise_for_status()
    except httpx.HTTPError as fault:
        log.warning("OpenLineage: an event of %s was not taken: %s", event["job"]["name"], fault)


def _queue(city: City, event: dict[str, Any]) -> None:
    with city.db.connection() as conn:
        defer(conn, "lines.openlineage", {"event": event}, lock=f"openlineage:{event['job']['name']}")


def _facet(schema: str, **said: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": f"{SPEC}/{schema}", **said}
