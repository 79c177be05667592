"""Where the catalogue harvests from, and what each run did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from psycopg.errors import ForeignKeyViolation
from psycopg.types.json import Jsonb

from sanqu.catalog.records import NAME, text_of
from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append

Kind = Literal["ckan", "dcat", "csv", "socrata"]
KINDS: tuple[Kind, ...] = ("ckan", "dcat", "csv", "socrata")
RunState = Literal["running", "paused", "done", "failed"]

SAVE = """
INSERT INTO catalog_harvest_source (name, title_zh, title_en, kind, url, unit, options)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET title_zh = excluded.title_zh, title_en = excluded.title_en, kind = excluded.kind,
    url = excluded.url, unit = excluded.unit, options = excluded.options
"""
LIST = """
SELECT s.name, s.title_zh, s.title_en, s.kind, s.url, s.unit, s.options, s.created,
       (SELECT count(*) FROM catalog_harvest_record r WHERE r.source = s.name AND NOT r.gone) AS datasets
FROM catalog_harvest_source s WHERE %(name)s::text IS NULL OR s.name = %(name)s ORDER BY s.name
"""
RUN_COLUMNS = "id, source, state, cause, position, total, seen, added, changed, unchanged, withdrawn, failed, actor, started, moved, ended"
RUNS = f"""
SELECT {RUN_COLUMNS} FROM catalog_harvest_run WHERE %(source)s::text IS NULL OR source = %(source)s
ORDER BY id DESC LIMIT %(limit)s OFFSET %(offset)s
"""
RUN = f"SELECT {RUN_COLUMNS} FROM catalog_harvest_run WHERE id = %s"
FAILURES = """
SELECT record, place, reason, at FROM catalog_harvest_failure WHERE run = %s ORDER BY at, record LIMIT %s OFFSET %s
"""


@dataclass(frozen=True)
class Source:
    """A catalogue to harvest: `url` is an address or a file, `unit` the org unit that answers for its records.

    `options`: `columns` (CSV: our word → their column), `rows` (records a page), `licence`, `subjects` (their theme →
    our subject), `subject` (for all), `headers` (sent along).
    """

    name: str
    title: Text
    kind: Kind
    url: str
    unit: str
    options: Mapping[str, Any] = field(default_factory=dict)
    created: datetime | None = None
    datasets: int = 0


@dataclass(frozen=True)
class Run:
    """One run: how far it came, what it did, and if it did not end, why and what to do.

    `cause` is an error as JSON (`what`, `todo`, `thing`); `position` is where the next run goes on.
    """

    id: int
    source: str
    state: RunState
    cause: Mapping[str, Any] | None
    position: Mapping[str, Any]
    total: int | None
    seen: int
    added: int
    changed: int
    unchanged: int
    withdrawn: int
    failed: int
    actor: str
    started: datetime
    moved: datetime
    ended: datetime | None


@dataclass(frozen=True)
class Failure:
    """A record that could not be taken in: its id at the source, the place there, and why."""

    record: str
    place: str
    reason: Text
    at: datetime


def add_source(city: City, source: Source, actor: str) -> Source:
    """Add or change a source; raises `BadInput` for a kind, name or unit that cannot be."""
    if source.kind not in KINDS or not NAME.fullmatch(source.name) or not source.url.strip():
        raise BadInput(
            "harvest.source-invalid",
            Text(zh="来源的名称、类型或地址不合规", en="The name, kind or address of the source does not fit"),
            Text(zh=f"名称用小写字母、数字、-；类型为 {'、'.join(KINDS)}", en=f"Lower-case name; kind is one of {', '.join(KINDS)}"),
            source.name,
        )
    values = (source.name, source.title.zh, source.title.en, source.kind, source.url.strip(), source.unit, Jsonb(dict(source.options)))
    try:
        with city.db.connection() as conn:
            conn.execute(SAVE, values)
            append(conn, kind="catalog.harvest-source", actor=actor, subject=f"harvest:{source.name}", facts={"kind": source.kind})
    except ForeignKeyViolation as fault:
        raise not_found(Text(zh="机构", en="unit"), source.unit) from fault
    return source_by_name(city, source.name)


def _source(row: Mapping[str, Any]) -> Source:
    title = text_of(row["title_zh"], row["title_en"])
    return Source(row["name"], title, row["kind"], row["url"], row["unit"], row["options"], row["created"], row["datasets"])


def sources(city: City) -> list[Source]:
    """Every source, with how many of its datasets are listed."""
    return [_source(row) for row in city.db.all(LIST, {"name": None})]


def source_by_name(city: City, name: str) -> Source:
    """The source `name`; raises `NotFound`."""
    row = city.db.one(LIST, {"name": name})
    if row is None:
        raise not_found(Text(zh="收割来源", en="harvest source"), name)
    return _source(row)


def runs(city: City, source: str | None = None, *, limit: int = 50, offset: int = 0) -> list[Run]:
    """Runs, the newest first; of one source or of all."""
    return [Run(**row) for row in city.db.all(RUNS, {"source": source, "limit": limit, "offset": offset})]


def run_by_id(city: City, id_: int) -> Run:
    """The run with this number; raises `NotFound`."""
    row = city.db.one(RUN, (id_,))
    if row is None:
        raise not_found(Text(zh="收割记录", en="harvest run"), str(id_))
    return Run(**row)


def failures(city: City, run: int, *, limit: int = 100, offset: int = 0) -> list[Failure]:
    """What a run could not take in."""
    return [
        Failure(row["record"], row["place"], Text.model_validate(row["reason"]), row["at"])
        for row in city.db.all(FAILURES, (run, limit, offset))
    ]
