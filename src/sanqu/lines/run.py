"""Runs a line: unit after unit into the lake, exactly once, resuming what a killed process left."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, SanquError, Unavailable
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import defer, job
from sanqu.ground.ledger import append
from sanqu.lake import Contract, lake_of
from sanqu.lines import keeping
from sanqu.lines.carry import Carried, carry
from sanqu.lines.locks import hold_line, is_held
from sanqu.lines.openlineage import tell_end, tell_start
from sanqu.lines.records import Counts, Line, Progress, Run, RunState
from sanqu.lines.sources.doors import units_of
from sanqu.lines.sources.files import files_at
from sanqu.lines.sources.reach import fence_of
from sanqu.lines.sources.units import Opening, Unit

log = logging.getLogger(__name__)

Watcher = Callable[[Progress], None]

LEFT_RUNNING = "SELECT id FROM lines_run WHERE line = %s AND state = 'running' ORDER BY id"
LEFT_LINES = "SELECT DISTINCT line FROM lines_run WHERE state = 'running' AND line NOT IN (SELECT line FROM live_line)"
CUT_OFF = "UPDATE lines_run SET state = 'cut-off', ended = now(), cause = %s WHERE id = ANY(%s)"
KNOWN_UNIT = "SELECT fingerprint FROM lines_unit WHERE line = %s AND unit = %s"
SET_POSITION = "UPDATE lines_line SET position = position || %s WHERE name = %s"
SET_PROGRESS = "UPDATE lines_run SET progress = %s WHERE id = %s"
DUE = """
SELECT name, schedule FROM lines_line WHERE enabled AND schedule <> '' AND next_run <= %s FOR UPDATE SKIP LOCKED
"""
STATE_OF = "SELECT state FROM lines_run WHERE id = %s AND line = %s"
# Of the whole of a unit, what is done when it is being read, checked, written.
STEPS = {"装载": 0.3, "检查": 0.2, "隔离": 0.6, "写入": 0.7}


# Rooms above that have something to do when a run has ended.
AfterRun = Callable[[Connection, Line], None]
_after: list[AfterRun] = []


def after_run(function: AfterRun) -> AfterRun:
    """Register what is done, in the transaction that tells of a run's end, whenever a run has ended."""
    _after.append(function)
    return function


def run_line(city: City, name: str, progress: Watcher | None = None, *, actor: str = "system", again: bool = False) -> Run:
    """Run line `name` to its end and return the run; one that failed says so in `state` and `cause`.

    `again` carries units anew that did not change. Raises `NotFound`, and `Conflict` while the line runs elsewhere.
    """
    line = keeping.line_of(city, name)
    keeping.refuse_live(line)
    with hold_line(city, line):
        contract = lake_of(city).contract(line.dataset)
        number = _begin(city, line, actor, again)
        tell_start(city, line, number)
        runner = _Runner(city, line, contract, number, progress)
        cause: SanquError | None = None
        try:
            cause = runner.carry_all()
        except SanquError as fault:
            cause = fault
        except Exception as fault:
            log.exception("line %s broke", name)
            cause = _broke(name, fault)
        state = RunState.FAILED if cause else RunState.DONE
        with city.db.connection() as conn:
            keeping.end_run(conn, number, state, cause.record() if cause else None)
        run = keeping.run_of(city, number)
        tell_end(city, line, run)
        with city.db.connection() as conn:
            facts = {"run": number, "state": state.value, **run.counts.model_dump(), "snapshot": run.snapshot}
            append(conn, kind="lines.run", actor=actor, subject=f"dataset:{line.dataset}", facts=facts)
            for function in _after:
                function(conn, line)
        runner.tell(Text(zh="完成" if not cause else "失败", en="Done" if not cause else "Failed"), state=state)
        return run


def _begin(city: City, line: Line, actor: str, again: bool) -> int:
    """Mark runs whose process is gone as cut off, and begin one that resumes the last of them."""
    lake = lake_of(city)
    with lake.engine() as duck:
        base = lake.current_snapshot(duck)
    with city.db.connection() as conn:
        left = [int(row["id"]) for row in conn.execute(LEFT_RUNNING, (line.name,)).fetchall()]
        if left:
            conn.execute(CUT_OFF, (_jsonb(_was_cut_off(line.name).record()), left))
            # It may have died after the lake's commit: what it wrote would not be read until the next change.
            lake.catch_up()
        if again:
            conn.execute("DELETE FROM lines_unit WHERE line = %s", (line.name,))
        return keeping.start_run(conn, line, actor, left[-1] if left else None, base)


def _jsonb(value: Any) -> Any:
    from psycopg.types.json import Jsonb

    return Jsonb(value)


class _Runner:
    """One run at work."""

    def __init__(self, city: City, line: Line, contract: Contract, number: int, watcher: Watcher | None) -> None:
        self.city, self.line, self.contract, self.number, self.watcher = city, line, contract, number, watcher
        self.counts, self.unit, self.share, self.done, self.total = Counts(), "", 0.0, 0, 0
        self.failed = False

    def carry_all(self) -> SanquError | None:
        """Carry every unit; a unit that does not fit is left out and told, the others go on."""
        base = self.city.settings.home.resolve() / "tmp"
        base.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="line-", dir=base))
        first: SanquError | None = None
        row = self.city.db.one("SELECT position FROM lines_line WHERE name = %s", (self.line.name,))
        since: dict[str, Any] = dict(row["position"]) if row else {}
        self.total = self._weight()
        if self.line.mode == "replace" and (self.line.cursor or self._files() > 1):
            raise _too_many(self.line)
        try:
            with lake_of(self.city).engine() as duck:
                fence = None if keeping.approved_by(self.city, self.line.name) else fence_of(self.city)
                opening = Opening(self.city, self.line, self.contract, duck, folder, since, self.tell, fence)
                self.tell(Text(zh="打开来源", en="Opening the source"))
                # A cut-off run may have written a batch whose position we did not note: the source must go on after it.
                since.update(self._position_in_lake())
                for unit in units_of(opening):
                    fault = self._carry(opening, unit)
                    first = first or fault
                    self.done += unit.weight
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return first

    def _carry(self, opening: Opening, unit: Unit) -> SanquError | None:
        self.unit = unit.name
        known = self.city.db.one(KNOWN_UNIT, (self.line.name, unit.name))
        if known and known["fingerprint"] == unit.fingerprint:
            with self.city.db.connection() as conn:
                keeping.note_skipped(conn, self.number)
            return None
        try:
            written = self._already_written(unit)
            if written is None and known and self.line.mode == "append" and self.line.changed == "refuse" and not self.line.cursor:
                raise _changed(unit)
            carried = written or carry(opening, unit, self.number)
        except BadInput as fault:
            if unit.name not in fault.thing:
                fault.thing = f"{unit.name} → {fault.thing}" if fault.thing else unit.name
            if self.failed:
                # The first is the cause of the run.
                told = Text(zh=fault.in_("zh"), en=fault.in_("en"))
                with self.city.db.connection() as conn:
                    conn.execute("UPDATE lines_run SET notes = notes || %s WHERE id = %s", (_jsonb([told.model_dump()]), self.number))
            self.failed = True
            return fault
        self.counts = self.counts + carried.counts
        position = {**unit.position, **({"cursor": carried.cursor} if carried.cursor is not None else {})}
        with self.city.db.connection() as conn:
            keeping.note_unit(
                conn, self.number, self.line.name, unit.name, unit.fingerprint, carried.counts, carried.snapshot, carried.notes
            )
            if position:
                conn.execute(SET_POSITION, (_jsonb(position), self.line.name))
        self.tell(Text(zh=f"已装载 {unit.name}", en=f"Carried {unit.name}"), inside=1.0)
        return None

    def _unnoted(self) -> tuple[int, dict[str, Any]] | None:
        """The line's last commit, when the run that made it never came to its end."""
        seen = lake_of(self.city).last_commit(f"line:{self.line.name}")
        if seen is None:
            return None
        run = self.city.db.one(STATE_OF, (seen.position.get("run"), self.line.name))
        return (seen.snapshot, seen.position) if run and run["state"] in (RunState.CUT_OFF, RunState.FAILED) else None

    def _position_in_lake(self) -> dict[str, Any]:
        seen = self._unnoted()
        return {"cursor": seen[1]["cursor"]} if seen and seen[1].get("cursor") is not None and self.line.source.kind == "sql" else {}

    def _already_written(self, unit: Unit) -> Carried | None:
        """What a killed run wrote of `unit`, when it was killed after the lake's commit and before ours."""
        seen = self._unnoted()
        if seen is None or seen[1].get("unit") != unit.name or seen[1].get("fingerprint") != unit.fingerprint:
            return None
        told = seen[1].get("counts", {})
        lake, name = lake_of(self.city), self.line.dataset
        # A unit that went straight in did not know its rows beforehand: they are what the snapshot has more than the last.
        good = told["good"] if "good" in told else lake.count(name, seen[0]) - lake.count(name, seen[0] - 1)
        collapsed, quarantined = told.get("collapsed") or 0, told.get("quarantined") or 0
        counts = Counts(read=good + collapsed + quarantined, inserted=good, collapsed=collapsed, quarantined=quarantined)
        note = Text(
            zh=f"{unit.name} 在上次中断前已写入", en=f"{unit.name} had been written before the last run was cut off"
        )
        return Carried(counts, seen[0], (note,))

    def _files(self) -> int:
        return len(files_at(Path(self.line.source.path), self.line.name)) if self.line.source.kind == "file" else 1

    def _weight(self) -> int:
        if self.line.source.kind != "file":
            return 0
        return sum(max(1, file.stat().st_size) for file in files_at(Path(self.line.source.path), self.line.name))

    def tell(self, doing: Text, *, inside: float | None = None, state: RunState = RunState.RUNNING) -> None:
        """Tell whoever watches: the caller, the live page, the table of runs."""
        if inside is None:
            inside = STEPS.get(doing.zh[:2], 0.0)
        whole = self.total or 1
        now_at = 1.0 if state == RunState.DONE else min(0.99, (self.done + inside * max(1, whole - self.done) * 0.5) / whole)
        self.share = max(self.share, now_at)
        told = Progress(
            run=self.number, line=self.line.name, share=self.share, unit=self.unit, doing=doing, counts=self.counts, state=state
        )
        self.city.bus.publish(f"lines.run.{self.number}", told.model_dump(mode="json"))
        with self.city.db.connection() as conn:
            conn.execute(SET_PROGRESS, (self.share, self.number))
        if self.watcher:
            self.watcher(told)


@job("lines.run")
def run_in_background(city: City, name: str, actor: str = "system") -> None:
    """Run a line as background work; its failure stands in the run, with its cause."""
    run_line(city, name, actor=actor)


@job("lines.watch", every="* * * * *")
def watch(city: City) -> None:
    """Every minute: start the lines that are due, and take up runs whose process is gone."""
    with city.db.connection() as conn:
        for row in conn.execute(DUE, (now(),)).fetchall():
            conn.execute("UPDATE lines_line SET next_run = %s WHERE name = %s", (keeping.next_time(row["schedule"]), row["name"]))
            defer(conn, "lines.run", {"name": row["name"]}, once=f"line:{row['name']}")
    for row in city.db.all(LEFT_LINES):
        if not is_held(city, row["line"]):
            with city.db.connection() as conn:
                defer(conn, "lines.run", {"name": row["line"]}, once=f"line:{row['line']}")


def _was_cut_off(name: str) -> Unavailable:
    return Unavailable(
        "lines.cut-off",
        Text(zh="运行它的进程没有了", en="The process that ran it is gone"),
        Text(zh="下一次运行会接着做，不丢也不重", en="The next run goes on from there; nothing is lost or doubled"),
        name,
    )


def _broke(name: str, fault: Exception) -> Unavailable:
    said = f"{type(fault).__name__}: {fault}"[:500]
    full = "No space left" in said
    return Unavailable(
        "lines.disk-full" if full else "lines.broke",
        Text(zh="磁盘写不下了" if full else f"运行中断：{said}", en="The disk is full" if full else f"The run broke off: {said}"),
        Text(zh="腾出空间后重跑" if full else "写入过的仍在，重跑会接着做；日志里有细节",
             en="Free some space and run again" if full else "What was written stands; a new run goes on; the log has the details"),
        name,
    )  # fmt: skip


def _changed(unit: Unit) -> BadInput:
    return BadInput(
        "lines.unit-changed",
        Text(
            zh="这个文件装载过，内容又变了；追加模式分不清新旧行",
            en="The file was carried before and has changed; appending cannot tell old rows from new",
        ),
        Text(
            zh="给专线加游标列，或改用 replace；确要整个再追加时设 changed = \"append\"",
            en="Give the line a cursor, or use replace; to append all of it again set changed = \"append\"",
        ),
        unit.name,
    )


def _too_many(line: Line) -> BadInput:
    return BadInput(
        "lines.replace-many",
        Text(zh="replace 模式的来源只能有一个文件，且不用游标", en="A line that replaces takes one file and no cursor"),
        Text(zh="指明一个文件，或改用 upsert", en="Name one file, or use upsert"),
        line.name,
    )
