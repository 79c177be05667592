"""What the room keeps: lines, their runs, the units already carried, and quarantined rows."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import sha1
from typing import Any, Literal, Self

from croniter import croniter
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.lake.contracts import Field as Item

LINE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")

Mode = Literal["upsert", "append", "replace"]
BatchKind = Literal["file", "url", "api", "sql", "ckan", "sanqu", "sample"]
# Sources that go on giving rows: see `sanqu.lines.live`.
LiveKind = Literal["push", "mqtt", "nats", "postgres", "mysql", "tail", "feed", "jt808"]
SourceKind = BatchKind | LiveKind
LIVE: frozenset[str] = frozenset({"push", "mqtt", "nats", "postgres", "mysql", "tail", "feed", "jt808"})
# Lanes (数据专线的领域): the four domains of the plan, and one for all else.
LANES = ("general", "digital-industry", "livelihood", "governance", "finance")
FileKind = Literal["", "csv", "tsv", "excel", "json", "ndjson", "parquet", "jt808"]


class Source(BaseModel):
    """Where a line's rows come from; which settings count depends on `kind`.

    - `file`: `path` (a file, a folder, or a glob; each file is a unit), `format`, `encoding`, `delimiter`, `header`, `sheet`, `records`
    - `url`: `url` of such a file, `headers`, and the settings of `file`
    - `api`: `url` of JSON pages, `headers`, `params`, `paging`, `records` (path to the list, `data.items`)
    - `sql`: `url` (SQLAlchemy), `table` or `query`, `batch`
    - `ckan`: `url` of the site, `resource`; its datastore, else its file
    - `sanqu`: `url` of the other city, `dataset`
    - `sample`: `generator`, `params` (rows, seed)

    Live ones, which go on giving rows:

    - `push`: rows come to `/api/live/{line}`
    - `mqtt`: `topic` on the city's own listener (MQTT 3.1.1), or with `url` on another broker (`mqtt://…`, 3.1.1 or 5)
    - `nats`: `subject` on the city's own bus, or with `url` on another
    - `postgres`: `url`, `table`: its rows now and every change from then on (logical replication)
    - `mysql`: `url`, `table`, likewise (binlog; MariaDB too)
    - `tail`: `path` of a file that grows by lines, `format` (ndjson or csv)
    - `feed`: `url` of another Sanqu, `dataset`: its rows now and its change feed
    - `jt808`: vehicle terminals over TCP at `listen` (`0.0.0.0:8808`); `params` name the maker's own items (`{ lift = "0xF1" }`).
      With `format = "jt808"`, `push` and `mqtt` take the same messages as bytes or as hexadecimal digits
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: SourceKind
    path: str = ""
    url: str = ""
    format: FileKind = ""
    encoding: str = ""
    delimiter: str = ""
    header: bool = True
    sheet: str = ""
    records: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    params: dict[str, str | int | float | bool] = Field(default_factory=dict)
    paging: Literal["none", "page", "offset", "cursor", "link"] = "none"
    page_param: str = ""
    size_param: str = ""
    page_size: int = Field(default=1000, ge=1, le=100_000)
    first_page: int = 1
    next_path: str = ""
    cursor_param: str = ""
    table: str = ""
    query: str = ""
    batch: int = Field(default=200_000, ge=1, le=5_000_000)
    resource: str = ""
    dataset: str = ""
    generator: str = ""
    topic: str = ""
    subject: str = ""
    listen: str = ""

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        needed = {
            "file": ("path",), "url": ("url",), "api": ("url",), "sql": ("url",), "ckan": ("url", "resource"),
            "sanqu": ("url", "dataset"), "sample": ("generator",), "push": (), "mqtt": ("topic",), "nats": ("subject",),
            "postgres": ("url", "table"), "mysql": ("url", "table"), "tail": ("path",), "feed": ("url", "dataset"), "jt808": ("listen",),
        }[self.kind]  # fmt: skip
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(f"source.{missing[0]} is needed for kind = {self.kind!r}")
        if self.kind == "sql" and bool(self.table) == bool(self.query):
            raise ValueError("source needs either table or query")
        if self.kind == "api" and self.paging == "cursor" and not (self.next_path and self.cursor_param):
            raise ValueError("paging = 'cursor' needs next_path and cursor_param")
        if "\0" in self.path:
            raise ValueError("source.path holds a NUL character")
        if len(self.delimiter) > 1:
            raise ValueError("source.delimiter is one character")
        return self


class Fence(BaseModel):
    """Areas in a dataset: its item `geometry` is GeoJSON; rows get the items `take` of the area at their `lon` and `lat`.

    What they get is called after the dataset and the item: `grids_code`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    geometry: str
    lon: str
    lat: str
    take: tuple[str, ...] = Field(min_length=1)


class Step(BaseModel):
    """One step of stream processing, in SQL over `input` or the step before it; see `sanqu.lines.live.steps`.

    With `window`, rows are gathered by `time` into windows of that length (every `hop`), and the SQL is over one window's
    rows; it is told when `delay` has passed after its end. With `dedupe`, rows whose items were seen within `window` go no further.
    With `into`, its rows go into that dataset too, in the same commit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    sql: str = ""
    time: str = ""
    window: str = ""
    hop: str = ""
    delay: str = "PT0S"
    dedupe: tuple[str, ...] = ()
    fence: Fence | None = None
    into: str = ""


class Line(BaseModel):
    """One line: from `source` to `dataset`, in `mode`, with `columns` naming the item each source column fills."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: Text = Text()
    dataset: str
    mode: Mode = "upsert"
    source: Source
    columns: dict[str, str] = Field(default_factory=dict)
    cursor: str = ""
    extra: Literal["ignore", "refuse"] = "ignore"
    # What to do in append mode when a file that was carried before comes with other content.
    changed: Literal["refuse", "append"] = "refuse"
    schedule: str = ""
    enabled: bool = True
    steward: str = ""
    # What follows is of live lines: the lane, and the steps that rows go through before the dataset.
    lane: str = "general"
    steps: tuple[Step, ...] = ()
    input: tuple[Item, ...] = ()

    @property
    def origin(self) -> str:
        """A short name of where the rows come from and go to: places in one source say nothing about another."""
        source = self.source
        said = (source.kind, re.sub(r"://[^/@]*@", "://", source.url), source.table, source.path, source.topic, source.subject,
                source.dataset, self.dataset)  # fmt: skip
        return sha1("\n".join(said).encode(), usedforsecurity=False).hexdigest()[:12]

    @property
    def datasets(self) -> tuple[str, ...]:
        """All datasets that it fills: its own, and those that its steps fill beside it."""
        return tuple(dict.fromkeys((self.dataset, *(step.into for step in self.steps if step.into))))

    @property
    def live(self) -> bool:
        """Whether its source goes on giving rows."""
        return self.source.kind in LIVE

    @model_validator(mode="after")
    def _holds(self) -> Self:
        if not LINE_NAME.fullmatch(self.name):
            raise ValueError("name: use lower-case letters, digits, '-', '_' and '.' only")
        if self.schedule and not croniter.is_valid(self.schedule):
            raise ValueError(f"schedule: {self.schedule!r} is not a cron expression such as '0 2 * * *'")
        if self.live and (self.schedule or self.cursor or self.mode == "replace"):
            raise ValueError("schedule, cursor and mode = 'replace' are not for a line whose source goes on giving rows")
        if self.lane not in LANES:
            raise ValueError(f"lane: use one of {', '.join(LANES)}")
        if self.steps and not (self.live and self.input):
            raise ValueError("steps: need a live source, and input that says which items it gives")
        filled = [step.into for step in self.steps if step.into]
        if self.steps and (self.steps[-1].into or len(set(filled)) < len(filled) or self.dataset in filled):
            raise ValueError("steps: each dataset is filled by one step (into), and the last step fills the line's own")
        return self

    @classmethod
    def from_descriptor(cls, descriptor: Mapping[str, Any]) -> Self:
        """The line a JSON or TOML descriptor states; raises `BadInput` naming the place."""
        try:
            return cls.model_validate(dict(descriptor))
        except ValidationError as fault:
            first = fault.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "line"
            message = str(first["msg"]).removeprefix("Value error, ")
            raise BadInput(
                "lines.bad-line",
                Text(zh=f"专线的 {place} 不成立：{message}", en=f"{place} of the line does not hold: {message}"),
                Text(zh="改正这一处后重试", en="Mend this place and try again"),
                str(descriptor.get("name", "?")),
                facts={"at": place},
            ) from fault

    @classmethod
    def from_toml(cls, text: str, name: str = "") -> Self:
        """The line a TOML text states; `name` serves where it gives none."""
        try:
            said = tomllib.loads(text)
        except tomllib.TOMLDecodeError as fault:
            raise BadInput(
                "lines.bad-toml",
                Text(zh=f"专线文件读不懂：{fault}", en=f"The file of the line cannot be read: {fault}"),
                Text(zh="改正这一行后重试", en="Mend that line and try again"),
                name,
            ) from fault
        return cls.from_descriptor({"name": name, **said})

    def descriptor(self) -> dict[str, Any]:
        """The line as JSON; `from_descriptor` reads it back."""
        said = self.model_dump(mode="json", exclude_defaults=True)
        return {"name": self.name, "dataset": self.dataset, **said}


class RunState(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CUT_OFF = "cut-off"


class RowState(StrEnum):
    """How a quarantined row stands."""

    WAITING = "waiting"
    MENDED = "mended"
    REPLAYED = "replayed"
    DROPPED = "dropped"


class Counts(BaseModel):
    """Rows of a unit or run: read == inserted + updated + unchanged + collapsed + quarantined (+ deleted in replace: beside)."""

    model_config = ConfigDict(frozen=True)

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    collapsed: int = 0
    quarantined: int = 0

    @property
    def written(self) -> int:
        """Rows the lake took."""
        return self.inserted + self.updated

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in Counts.model_fields})


class Run(BaseModel):
    """One run of a line; `cause` is the error (zh, en) of one that failed, `notes` what a steward should know."""

    model_config = ConfigDict(frozen=True)

    id: int
    line: str
    dataset: str
    state: RunState
    actor: str
    resumes: int | None = None
    base: int = 0
    started: datetime
    ended: datetime | None = None
    units: int = 0
    skipped: int = 0
    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    collapsed: int = 0
    quarantined: int = 0
    snapshot: int | None = None
    progress: float = 0.0
    notes: tuple[Text, ...] = ()
    cause: dict[str, Any] | None = None

    @property
    def counts(self) -> Counts:
        """The run's rows."""
        return Counts(**{name: getattr(self, name) for name in Counts.model_fields})

    @property
    def rows_read(self) -> int:
        """Rows the source gave."""
        return self.read

    @property
    def rows_written(self) -> int:
        """Rows the lake took."""
        return self.inserted + self.updated

    @property
    def rows_quarantined(self) -> int:
        """Rows set aside for a steward."""
        return self.quarantined

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return (self.ended - self.started).total_seconds() if self.ended else None


class Progress(BaseModel):
    """How far a run is: `share` 0…1 of the whole, `unit` at work, and what it does there."""

    model_config = ConfigDict(frozen=True)

    run: int
    line: str
    share: float
    unit: str
    doing: Text
    counts: Counts = Counts()
    state: RunState = RunState.RUNNING


class Fault(BaseModel):
    """Why a row was refused: the item, the value as it came, the rule, and what that means."""

    model_config = ConfigDict(frozen=True)

    item: str
    value: str | None
    rule: str
    want: str = ""
    explanation: Text = Text()


class Quarantined(BaseModel):
    """A row that did not pass: where it stood, what it said (`raw`: source column → text; `items`: item → text), why."""

    model_config = ConfigDict(frozen=True)

    id: int
    line: str
    run: int
    dataset: str
    unit: str
    place: dict[str, Any]
    raw: dict[str, str | None]
    items: dict[str, str | None]
    faults: tuple[Fault, ...]
    mended: dict[str, str | None] | None = None
    state: RowState
    created: datetime
    changed: datetime
    actor: str = ""
