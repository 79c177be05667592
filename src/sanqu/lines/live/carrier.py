"""A lane at work (承运): round after round, what its lines have waiting goes into the lake in one transaction."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import psycopg
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import Error as JsError

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, SanquError, Unavailable
from sanqu.ground.i18n import Text
from sanqu.ground.tasks import end
from sanqu.ground.telemetry import tracer_of
from sanqu.lake import Commit, Hand, Mirrors, lake_of
from sanqu.lines.live import standing
from sanqu.lines.live.envelope import new_trace
from sanqu.lines.live.lanes import Allowance, Lane, Turns
from sanqu.lines.live.locks import carried_alone
from sanqu.lines.live.meters import Meter
from sanqu.lines.live.portion import Portion, Shape, Told, Work, open_shape, read_portion, unit_of
from sanqu.lines.live.positions import AUTHOR, Position, note_positions, positions_of
from sanqu.lines.live.stream import standing as stream_standing
from sanqu.lines.live.stream import stream_name
from sanqu.lines.live.tap import Message, Tap
from sanqu.lines.records import Line

log = logging.getLogger(__name__)

# What came is waited for so long, so that few commits hold many rows; a full round does not wait.
LINGER_SECONDS = 0.06
FULL_MESSAGES, FULL_BYTES = 6_000, 3 * 1024**2
# Of each line in one round, so that one with much waiting leaves room for the others.
MOST_MESSAGES, MOST_BYTES = 10_000, 4 * 1024**2
PURGE_SECONDS = 2.0
ALLOWANCE_SECONDS = 0.05
# A clock that is ahead is spoken of so often.
CLOCK_SECONDS = 10.0
FORGET_REFUSALS = """
DELETE FROM lines_quarantine WHERE line = %s AND unit = %s AND state = 'waiting' AND (place ->> 'message')::bigint > %s
"""


@dataclass
class Drinking:
    """A line that the lane carries now."""

    shape: Shape
    tap: Tap
    position: Position
    run: int
    flow: asyncio.Task[None]
    meter: Meter
    totals: dict[str, int] = field(default_factory=dict)
    purged: int = 0
    # What was known to wait when it began, and when the clock of the source was spoken of last (steady clock).
    waited: int = 0
    clock_told: float = float("-inf")

    @property
    def line(self) -> Line:
        """The line."""
        return self.shape.line


@dataclass(frozen=True)
class Batch:
    """Messages of one line for one round."""

    shape: Shape
    position: Position
    epoch: str
    run: int
    messages: Sequence[Message]


@dataclass(frozen=True)
class Carried:
    """What a round did: by line what was told and where the line stands now, or why it stopped."""

    snapshot: int | None
    at: datetime
    told: Mapping[str, tuple[Told, Portion]]
    faults: Mapping[str, SanquError]
    seconds: float
    checked: datetime


class Carrier:
    """One lane in this process; whoever makes it holds the lane's lock."""

    def __init__(self, city: City, client: Client, lane: Lane, turns: Turns) -> None:
        self.city, self.client, self.lane, self.turns = city, client, lane, turns
        self.drinking: dict[str, Drinking] = {}
        self._wake = asyncio.Event()
        self._allowance = Allowance()
        self._bench = _Bench(city)
        self._purged_at = 0.0
        self._purging: asyncio.Task[None] | None = None

    async def add(self, line: Line) -> None:
        """Begin to carry `line` from where the lake says it stands; raises what keeps it from it."""
        waited = (await asyncio.to_thread(standing.standing_of, self.city, line.name)).backlog
        shape, position, run = await asyncio.to_thread(self._bench.open, line)
        tap = Tap(self.client, line, position, self._wake.set)
        flow = asyncio.create_task(tap.flow(), name=f"tap {line.name}")
        self.drinking[line.name] = Drinking(shape, tap, position, run, flow, Meter(line.name), waited=waited)

    async def remove(self, name: str, fault: SanquError | None = None) -> None:
        """Stop carrying the line called `name`."""
        held = self.drinking.pop(name, None)
        if held is not None:
            await end(held.flow)
            await asyncio.to_thread(standing.end_run, self.city, held.run, held.totals, fault)

    async def close(self) -> None:
        """Stop carrying everything."""
        if self._purging is not None:
            await end(self._purging)
        for name in list(self.drinking):
            await self.remove(name)
        await asyncio.to_thread(self._bench.close)

    async def run(self) -> None:
        """Carry until cancelled; what goes wrong with one line stops that line, what goes wrong with all is tried again."""
        pause = 0.25
        while True:
            await self._wait()
            batches = self._take()
            if not batches:
                # The lane has carried all it may for now: others go on meanwhile.
                await asyncio.sleep(ALLOWANCE_SECONDS)
                continue
            try:
                async with self.turns.turn(self.lane.name):
                    carried = await asyncio.to_thread(self._bench.carry, batches)
                self.turns.note(self.lane, carried.seconds)
                await self._settle(carried)
                pause = 0.25
            except Exception as fault:
                told = log.warning if isinstance(fault, SanquError | duckdb.Error | psycopg.Error) else log.exception
                told("lane %s: a round failed and is tried again in %.1f s: %s", self.lane.name, pause, fault)
                await self._begin_again(_cause(self.lane.name, fault), pause)
                pause = min(30.0, pause * 2)

    async def _wait(self) -> None:
        """Until something waits, and then a moment longer, so that more comes along."""
        while not any(held.tap.held for held in self.drinking.values()):
            self._wake.clear()
            await self._wake.wait()
        while (left := self._linger()) > 0:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._wake.wait()
            await asyncio.sleep(0.002)

    def _linger(self) -> float:
        taps = [held.tap for held in self.drinking.values() if held.tap.held]
        if not taps or sum(len(tap.held) for tap in taps) >= FULL_MESSAGES or sum(tap.held_bytes for tap in taps) >= FULL_BYTES:
            return 0.0
        return LINGER_SECONDS - (time.monotonic() - min(tap.since or 0.0 for tap in taps))

    def _take(self) -> list[Batch]:
        allowed = self._allowance.rows(self.lane, time.monotonic())
        if allowed == 0:
            return []
        batches = []
        waiting = [held for held in self.drinking.values() if held.tap.held]
        for held in waiting:
            most = None if allowed is None else max(1, allowed // len(waiting))
            messages = held.tap.take(MOST_MESSAGES, MOST_BYTES, most)
            batches.append(Batch(held.shape, held.position, held.tap.epoch, held.run, messages))
        return batches

    async def _settle(self, carried: Carried) -> None:
        for name, (told, portion) in carried.told.items():
            held = self.drinking.get(name)
            if held is None:
                continue
            held.position = portion.end
            traces = self._trace(name, portion, carried)
            way = _event(name, told, portion, carried, traces)
            held.meter.note(told, portion.ages, carried.at, way)
            for key in standing.COUNTED:
                held.totals[key] = held.totals.get(key, 0) + int(getattr(told, key))
            self._allowance.spend(told.read)
            if portion.ahead > standing.CLOCK_MS and time.monotonic() - held.clock_told > CLOCK_SECONDS:
                held.clock_told = time.monotonic()
                await asyncio.to_thread(standing.note_clock, self.city, name, portion.ahead)
            self.city.bus.publish(f"lines.live.{name}", way)
        for name, fault in carried.faults.items():
            await self.remove(name, fault)
            await asyncio.to_thread(standing.stop, self.city, name, fault, "out")
        idle = self._purging is None or self._purging.done()
        if idle and time.monotonic() - self._purged_at > PURGE_SECONDS:
            # Beside the next round, which need not wait for it.
            self._purged_at = time.monotonic()
            self._purging = asyncio.create_task(self._purge(), name=f"purge {self.lane.name}")

    def _trace(self, name: str, portion: Portion, carried: Carried) -> list[str]:
        """A span for each message that is in the lake now; the traces as they go on from here."""
        tracer = tracer_of(self.city)
        if not tracer.on:
            return portion.traces
        end = int(carried.at.timestamp() * 1000)
        return [tracer.note("carry", trace, min(portion.kept, end), end, line=name, snapshot=carried.snapshot or 0) for trace in portion.traces]

    async def _purge(self) -> None:
        """Messages that are in the lake need not wait in the stream.

        A stream that was made anew counts from 1 again: what the lake has of the old one takes nothing out of it.
        """
        js = self.client.jetstream()
        for held in list(self.drinking.values()):
            there = held.position
            if there.seq > held.purged and there.epoch == held.tap.epoch:
                with suppress(SanquError, NatsError, JsError, TimeoutError):
                    if (await stream_standing(js, held.line.name)).epoch == there.epoch:
                        await js.purge_stream(stream_name(held.line.name), seq=there.seq + 1)
                        held.purged = there.seq

    async def _begin_again(self, fault: SanquError, pause: float) -> None:
        """Whether the round went in nobody knows: every line begins anew from where the lake says it stands."""
        lines = [held.line for held in self.drinking.values()]
        for line in lines:
            with suppress(SanquError, psycopg.Error):
                await self.remove(line.name, fault)
        await asyncio.to_thread(self._bench.close)
        for line in lines:
            with suppress(SanquError, psycopg.Error):
                await asyncio.to_thread(standing.stop, self.city, line.name, fault, "out", pause)
        await asyncio.sleep(pause)

    def take_counts(self) -> tuple[list[dict[str, object]], list[tuple[str, int]]]:
        """What was counted since the last time, and what waits, by line."""
        held = list(self.drinking.values())
        return [row for one in held for row in one.meter.take(one.tap.backlog)], [(one.line.name, one.tap.backlog) for one in held]


class _Bench:
    """Where rounds are worked at: a cursor of the engine and a connection that outlive them."""

    def __init__(self, city: City) -> None:
        self.city = city
        self._stack = ExitStack()
        self._tools: tuple[duckdb.DuckDBPyConnection, Connection] | None = None
        self._mirrors = Mirrors()
        # A line may be opened while a round is carried; both need the tools for themselves.
        self._using = threading.Lock()

    def tools(self) -> tuple[duckdb.DuckDBPyConnection, Connection]:
        """The cursor and the connection, opened when first needed and after a failure."""
        if self._tools is None:
            duck = self._stack.enter_context(lake_of(self.city).engine())
            self._tools = (duck, self._stack.enter_context(self.city.db.own_connection()))
        return self._tools

    def close(self) -> None:
        """Give both back."""
        with self._using:
            self._tools, self._mirrors = None, Mirrors()
            stack, self._stack = self._stack, ExitStack()
            with suppress(psycopg.Error, duckdb.Error):
                stack.close()

    def open(self, line: Line) -> tuple[Shape, Position, int]:
        """What is needed to carry `line`; what a killed process had begun is settled."""
        with self._using:
            duck, conn = self.tools()
            shape = open_shape(self.city, line, duck)
            position = positions_of(self.city, conn, [line.name])[line.name]
            # Refused rows of a round that never reached the lake are met again.
            conn.execute(FORGET_REFUSALS, (line.name, unit_of(position.epoch), position.seq))
            return shape, position, standing.begin_run(self.city, conn, line)

    def carry(self, batches: Sequence[Batch]) -> Carried:
        """Carry what was taken: all lines in one transaction, or one by one where that will not go."""
        with self._using:
            return self._carry(batches)

    def _carry(self, batches: Sequence[Batch]) -> Carried:
        began = time.monotonic()
        duck, conn = self.tools()
        works: dict[str, Work] = {}
        faults: dict[str, SanquError] = {}
        try:
            for batch in batches:
                self._check(batch, works, faults)
            checked = now()
            try:
                snapshot, told = self._write(works, duck, conn)
            except Unavailable:
                raise
            except SanquError:
                snapshot, told = self._one_by_one(works, faults, duck, conn)
        finally:
            for work in works.values():
                work.close()
        at = now()
        return Carried(snapshot, at, {n: (t, works[n].portion) for n, t in told.items()}, faults, time.monotonic() - began, checked)

    def _check(self, batch: Batch, works: dict[str, Work], faults: dict[str, SanquError]) -> None:
        name = batch.shape.line.name
        try:
            portion = read_portion(batch.shape, batch.position, batch.epoch, batch.messages)
            self._begin_trace(portion)
            works[name] = Work(self.city, self.tools()[0], portion, batch.run)
            works[name].check()
        except SanquError as fault:
            if isinstance(fault, Unavailable):
                raise
            faults[name] = fault
        except psycopg.Error:
            raise
        except Exception as fault:
            log.exception("live %s: its rows cannot be checked", name)
            faults[name] = _cause(name, fault)
        if name in faults and name in works:
            works.pop(name).close()

    def _begin_trace(self, portion: Portion) -> None:
        """Devices of MQTT 3.1.1 can bring no trace: that of their rows begins when they arrived."""
        if portion.untraced:
            begun = tracer_of(self.city).note("gather", "", portion.kept, portion.kept, line=portion.line.name, via=portion.line.source.kind)
            portion.traces.append(begun or new_trace())

    def _write(
        self, works: Mapping[str, Work], duck: duckdb.DuckDBPyConnection, conn: Connection
    ) -> tuple[int | None, dict[str, Told]]:  # fmt: skip
        if not works:
            return None, {}
        shapes = [work.portion.shape for work in works.values()]
        keyed = {contract.name for shape in shapes for contract in (shape.target, *shape.beside) if contract.primaryKey}
        # All rows of a dataset going is held against its files being tidied as a change by key is.
        keyed |= {work.portion.shape.target.name for work in works.values() if work.portion.clears}

        def ends() -> dict[str, Position]:
            return {name: work.portion.end for name, work in works.items()}

        def commit(_told: dict[str, Told]) -> Commit:
            # Whoever tells of this commit, even after a restart, goes on with the trace of its rows.
            traces = {name: work.portion.traces[-1] for work in works.values() if work.portion.traces for name in work.portion.line.datasets}
            return Commit(AUTHOR, ", ".join(works), {"lines": {name: end.as_json() for name, end in ends().items()}, "traces": traces})

        def write(hand: Hand) -> dict[str, Told]:
            self._refuse_overtaken(conn, works)
            return {name: _written(name, work, hand) for name, work in works.items()}

        alone = [*keyed, *(carried_alone(name) for name in works)]
        joint = lake_of(self.city).together(commit, alone, write, duck=duck, conn=conn, mirrors=self._mirrors)
        note_positions(conn, ends(), joint.snapshot)
        return joint.snapshot, joint.result

    def _refuse_overtaken(self, conn: Connection, works: Mapping[str, Work]) -> None:
        """Raise `Unavailable` when somebody else carried one of the lines since its messages were taken.

        Who lost the connection of its locks carries on until it notices; nobody writes what another wrote meanwhile.
        """
        now_at = positions_of(self.city, conn, works)
        for name, work in works.items():
            start = work.portion.start
            if name not in now_at or (now_at[name].epoch, now_at[name].seq, now_at[name].place) != (start.epoch, start.seq, start.place):
                raise Unavailable(
                    "live.overtaken",
                    Text(zh="另一个进程已承运了这些行，或专线已删除", en="Another process has carried these rows, or the line is gone"),
                    Text(zh="自动从数据湖里的进度重新开始", en="It begins again from where the lake stands, by itself"),
                    name,
                )

    def _one_by_one(
        self, works: Mapping[str, Work], faults: dict[str, SanquError], duck: duckdb.DuckDBPyConnection, conn: Connection
    ) -> tuple[int | None, dict[str, Told]]:  # fmt: skip
        newest: int | None = None
        told: dict[str, Told] = {}
        for name, work in works.items():
            try:
                snapshot, one = self._write({name: work}, duck, conn)
                newest = snapshot if snapshot is not None else newest
                told |= one
            except Unavailable:
                raise
            except SanquError as fault:
                faults[name] = fault
        return newest, told


def _written(name: str, work: Work, hand: Hand) -> Told:
    try:
        return work.write(hand)
    except (SanquError, duckdb.Error, psycopg.Error):
        raise
    except Exception as fault:
        log.exception("live %s: its rows cannot be written", name)
        said = f"{type(fault).__name__}: {fault}"[:300]
        raise BadInput(
            "live.broke",
            Text(zh=f"装载中断：{said}", en=f"Carrying broke off: {said}"),
            Text(zh="会自动重试；日志里有细节", en="It is tried again by itself; the log has the details"),
            name,
        ) from fault


def _event(name: str, told: Told, portion: Portion, carried: Carried, traces: list[str]) -> dict[str, Any]:
    """What whoever watches the line is told: counts, the snapshot, and the moments (ms) of the rows' way.

    `source` is when the oldest and the youngest row came to be, `gathered` when JetStream kept the youngest, then checked, committed.
    """
    ages = [moment for moment, _ in portion.ages]
    return {
        "line": name, "dataset": portion.line.dataset, "snapshot": carried.snapshot, "read": told.read, "inserted": told.inserted,
        "updated": told.updated, "deleted": told.deleted, "refused": told.refused, "late": told.late,
        "source": [min(ages, default=0), max(ages, default=0)], "gathered": portion.kept,
        "checked": int(carried.checked.timestamp() * 1000), "committed": int(carried.at.timestamp() * 1000),
        "told": int(now().timestamp() * 1000), "worked": round(carried.seconds * 1000), "traces": traces[-3:],
    }  # fmt: skip


def _cause(name: str, fault: Exception) -> SanquError:
    if isinstance(fault, SanquError):
        return fault
    said = str(fault).split("\n")[0][:300]
    return Unavailable(
        "live.broke",
        Text(zh=f"装载中断：{said}", en=f"Carrying broke off: {said}"),
        Text(zh="会自动重试，不丢也不重；日志里有细节", en="It is tried again by itself, nothing lost or doubled; the log has the details"),
        name,
    )
