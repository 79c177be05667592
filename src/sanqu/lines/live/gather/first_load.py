"""The first load of a live line: all that its source holds, in one transaction of the lake, with the place from which changes follow."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
from psycopg.types.json import Jsonb

from sanqu.ground.database import Connection
from sanqu.lake import Commit, Hand, lake_of
from sanqu.lines import keeping
from sanqu.lines.binding import Bound, bind
from sanqu.lines.checks import Texture, compile_checks
from sanqu.lines.live.envelope import Place
from sanqu.lines.live.gather.outlet import Gathering
from sanqu.lines.live.locks import carried_alone, carrying
from sanqu.lines.live.positions import AUTHOR, Position, note_positions
from sanqu.lines.live.standing import begin_run, set_state
from sanqu.lines.live.stream import ensure_stream, stream_name
from sanqu.lines.quarantine import Refusal, keep_refusals
from sanqu.lines.records import Counts, Fault, RunState
from sanqu.lines.sources.tables import open_parquet, write_texts
from sanqu.lines.staging import Stage
from sanqu.lines.wording import word_fault

OTHERS = "SELECT 1 FROM lines_line WHERE dataset = %s AND name <> %s LIMIT 1"


@dataclass(frozen=True)
class Loaded:
    """What a source holds: column names, rows as text, the place after which its changes follow, and a name for this load."""

    columns: Sequence[str]
    rows: Iterator[Sequence[str | None]]
    place: Place
    since: str


def load_first(gathering: Gathering, source: Loaded) -> Counts:
    """Make what the source holds the content of the dataset; nobody carries the line meanwhile, readers see the old until then.

    Where other lines fill the same dataset, rows are added and changed, and none taken out. Raises `BadInput` naming the
    item that no column fills; nothing is written then.
    """
    city, line = gathering.city, gathering.line
    set_state(city, line.name, "loading")
    folder = Path(tempfile.mkdtemp(prefix="first-", dir=_scratch(city.settings.home)))
    try:
        spool = folder / "rows.parquet"
        write_texts(spool, source.columns, source.rows)
        with carrying(city, line.name), lake_of(city).engine() as duck, city.db.own_connection() as conn:
            there = asyncio.run_coroutine_threadsafe(ensure_stream(gathering.client.jetstream(), line), gathering.loop).result(30)
            # What waits was said before this load, and is in it.
            purge = gathering.client.jetstream().purge_stream(stream_name(line.name), seq=there.last + 1)
            asyncio.run_coroutine_threadsafe(purge, gathering.loop).result(30)
            position = Position(there.epoch, there.last, source.place, source.since, line.origin)
            return _Load(gathering, duck, conn, position).bring(spool, source.columns)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _scratch(home: Path) -> Path:
    base = home.resolve() / "tmp"
    base.mkdir(parents=True, exist_ok=True)
    return base


class _Load:
    def __init__(self, gathering: Gathering, duck: duckdb.DuckDBPyConnection, conn: Connection, position: Position) -> None:
        self._city, self._line, self._contract = gathering.city, gathering.line, gathering.contract
        self._duck, self._conn, self._position = duck, conn, position

    def bring(self, spool: Path, columns: Sequence[str]) -> Counts:
        reading = open_parquet(self._duck, spool)
        bound = bind(self._contract, self._line, columns)
        checks = compile_checks(self._contract, bound.sql(self._contract), Texture())
        run = begin_run(self._city, self._conn, self._line)
        stage = Stage(self._duck, self._contract)
        try:
            read = stage.fill(checks.staged(reading.rows, len(columns)))
            stage.find_doubles()
            stage.find_late_faults(self._city, "replace")
            refusals = _refusals(stage, reading.rows, bound, columns)
            refused = keep_refusals(self._city, self._line, run, f"first load {self._position.since}", refusals)
            counts = Counts(read=read, inserted=stage.good_count(), collapsed=stage.collapsed(), quarantined=refused)
            self._write(stage)
        finally:
            stage.close()
        with self._conn.transaction():
            values = {**counts.model_dump(), "units": 1, "skipped": 0, "snapshot": None, "notes": Jsonb([]), "run": run}
            self._conn.execute(keeping.ADD_TO_RUN, values)
            keeping.end_run(self._conn, run, RunState.DONE, None)
        return counts

    def _write(self, stage: Stage) -> None:
        shared = self._conn.execute(OTHERS, (self._line.dataset, self._line.name)).fetchone() is not None

        def work(hand: Hand) -> None:
            if shared and self._contract.primaryKey:
                hand.merge(self._contract, stage.good())
            else:
                hand.clear(self._contract)
                hand.append(self._contract, stage.good())

        name = self._line.name
        commit = Commit(AUTHOR, f"{name}: first load", {"lines": {name: self._position.as_json()}})
        joint = lake_of(self._city).together(commit, [self._contract.name, carried_alone(name)], work, duck=self._duck, conn=self._conn)
        note_positions(self._conn, {name: self._position}, joint.snapshot)


def _refusals(stage: Stage, source: str, bound: Bound, columns: Sequence[str]) -> Iterator[Refusal]:
    for number, faults, cells in stage.refused_rows(source, len(columns)):
        raw = dict(zip(columns, cells, strict=True))
        items = {item: cells[at] for item, at in bound.columns.items()}
        yield Refusal({"row": number}, raw, items, tuple(_fault(one) for one in faults))


def _fault(said: Mapping[str, str | None]) -> Fault:
    rule, want = said["rule"] or "", said["want"] or ""
    want = f"row {want[1:]}" if want.startswith("#") else want
    return Fault(item=said["item"] or "", value=said["value"], rule=rule, want=want, explanation=word_fault(rule, said["value"], want))
