"""All live lines in this process (数据高铁的调度): which to gather, which to carry, and what to do when one stops."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import duckdb
import psycopg
from nats.aio.client import Client
from nats.errors import Error as NatsError

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import SanquError
from sanqu.ground.tasks import end
from sanqu.lake import lake_of
from sanqu.lake.upkeep import SMALLEST_BYTES, compact
from sanqu.lines.live import meters, standing
from sanqu.lines.live.carrier import Carrier
from sanqu.lines.live.devices import tell_bus_now
from sanqu.lines.live.gather import sources
from sanqu.lines.live.gather.outlet import Gathering
from sanqu.lines.live.lanes import Lane, Turns, lanes_of
from sanqu.lines.live.locks import CARRY, GATHER, LANE, Locks
from sanqu.lines.live.loss import note_loss
from sanqu.lines.live.standing import Leg, Wanted
from sanqu.lines.live.stream import connect
from sanqu.lines.live.sweeping import sweep
from sanqu.lines.records import Line

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.3
UPKEEP_SECONDS = 10.0
SWEEP_SECONDS = 5.0
# Lanes that carry at the same moment: the engine spreads one round over the cores by itself.
AT_ONCE = 2


@dataclass
class _Gatherer:
    """A thread that brings rows from one source."""

    line: Line
    version: int
    stopping: threading.Event = field(default_factory=threading.Event)
    task: asyncio.Task[None] | None = None


class Traffic:
    """Gathers and carries every line that no other process does."""

    def __init__(self, city: City) -> None:
        self.city = city
        self._carriers: dict[str, tuple[Carrier, asyncio.Task[None]]] = {}
        self._gatherers: dict[str, _Gatherer] = {}
        self._versions: dict[str, int] = {}
        # The line and its contract's version with which carrying or gathering was tried last: what is mended since is not waited for.
        self._tried: dict[tuple[int, str], tuple[Line, int]] = {}
        self._turns = Turns(AT_ONCE)
        self._upkeep: asyncio.Task[list[str]] | None = None
        self._kept_at = time.monotonic()
        self._swept = 0.0
        # Lines that are carried since a moment ago and not said to flow yet.
        self._begun: set[str] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Keep at it until `stopping`; a database or bus that is away is waited for."""
        while not stopping.is_set():
            try:
                await self._work(stopping)
            except (psycopg.Error, duckdb.Error, SanquError, NatsError, OSError) as fault:
                log.warning("live lines wait: %s", fault)
                await _pause(stopping, 1.0)

    async def _work(self, stopping: asyncio.Event) -> None:
        client = await connect(self.city.bus.url, "sanqu live")
        # A bus whose folder is gone knows no devices any more.
        await asyncio.to_thread(tell_bus_now, self.city)
        # Who stands by for one that dies has the lake open when it comes to it.
        await asyncio.to_thread(self._open_lake)
        try:
            opening = self.city.db.own_connection()
            conn = await asyncio.to_thread(opening.__enter__)
            try:
                locks = Locks(conn)
                while not stopping.is_set():
                    await asyncio.to_thread(locks.check)
                    await self._look(client, locks)
                    await _pause(stopping, LOOK_SECONDS)
            finally:
                await self._stop_all()
                with suppress(psycopg.Error):
                    await asyncio.to_thread(opening.__exit__, None, None, None)
        finally:
            with suppress(NatsError, OSError):
                await client.close()

    def _open_lake(self) -> None:
        with lake_of(self.city).engine():
            pass

    async def _look(self, client: Client, locks: Locks) -> None:
        wanted = {one.line.name: one for one in await asyncio.to_thread(standing.wanted_lines, self.city)}
        await self._look_at_lanes(client, locks, wanted)
        await self._look_at_lines(client, locks, wanted)
        await self._look_at_sources(client, locks, wanted)
        await self._count()
        self._keep_up()
        if time.monotonic() - self._swept > SWEEP_SECONDS:
            self._swept = time.monotonic()
            await sweep(self.city, client)

    def _keep_up(self) -> None:
        """What many small commits left behind is merged beside them, often enough that a scan never meets many."""
        idle = self._upkeep is None or self._upkeep.done()
        if self._carriers and idle and time.monotonic() - self._kept_at > UPKEEP_SECONDS:
            self._kept_at = time.monotonic()
            self._upkeep = asyncio.create_task(asyncio.to_thread(self._compact, self._written()))

    def _written(self) -> list[str]:
        """The datasets that are written now."""
        return sorted({name for carrier, _ in self._carriers.values() for held in carrier.drinking.values() for name in held.line.datasets})

    def _compact(self, written: list[str]) -> list[str]:
        try:
            return compact(self.city, SMALLEST_BYTES, written)
        except (SanquError, duckdb.Error, psycopg.Error) as fault:
            log.info("small files wait to be merged: %s", fault)
            return []

    async def _look_at_lanes(self, client: Client, locks: Locks, wanted: dict[str, Wanted]) -> None:
        lanes = await asyncio.to_thread(lanes_of, self.city) if wanted or self._carriers else {}
        for name in {one.line.lane for one in wanted.values()} - self._carriers.keys():
            if await asyncio.to_thread(locks.take, LANE, name):
                carrier = Carrier(self.city, client, lanes.get(name, Lane(name)), self._turns)
                self._carriers[name] = (carrier, asyncio.create_task(carrier.run(), name=f"lane {name}"))
        for name, (carrier, task) in list(self._carriers.items()):
            carrier.lane = lanes.get(name, carrier.lane)
            if task.done():
                log.error("lane %s broke and is begun again", name, exc_info=task.exception())
                del self._carriers[name]
                await carrier.close()

    async def _look_at_lines(self, client: Client, locks: Locks, wanted: dict[str, Wanted]) -> None:
        for lane, (carrier, _) in self._carriers.items():
            await self._say_flowing(carrier)
            for name, held in list(carrier.drinking.items()):
                one = wanted.get(name)
                same = one is not None and one.line == held.line and one.version == self._versions.get(name) and one.line.lane == lane
                fault = held.tap.lasting_fault()
                if not same or (one is not None and one.state == "loading") or fault is not None:
                    await carrier.remove(name, fault)
                    if fault is not None:
                        await self._note_stop(name, fault, "line")
            for kind, name in list(locks.held):
                if kind == CARRY and not any(name in c.drinking for c, _ in self._carriers.values()):
                    await asyncio.to_thread(locks.give, CARRY, name)
            for name, one in wanted.items():
                if one.line.lane == lane and name not in carrier.drinking and one.state != "loading" and self._is_due(CARRY, one):
                    await self._carry(carrier, locks, one)

    def _is_due(self, kind: int, one: Wanted) -> bool:
        """Whether it may be tried (again): its pause is over, or the line or its contract was changed since the last try."""
        return one.is_due(now()) or self._tried.get((kind, one.line.name), (one.line, one.version)) != (one.line, one.version)

    async def _carry(self, carrier: Carrier, locks: Locks, one: Wanted) -> None:
        name = one.line.name
        if not await asyncio.to_thread(locks.take, CARRY, name):
            return
        self._tried[CARRY, name] = (one.line, one.version)
        try:
            await carrier.add(one.line)
        except psycopg.Error:
            raise
        except Exception as fault:
            log.warning("live %s cannot be carried: %s", name, fault)
            await self._note_stop(name, fault if isinstance(fault, SanquError) else sources.broke(name, fault), "out")
            return
        self._versions[name] = one.version
        self._begun.add(name)

    async def _say_flowing(self, carrier: Carrier) -> None:
        """A line flows once its stream can be drunk from and, where somebody must fetch its rows, that somebody is at it."""
        for name, held in list(carrier.drinking.items()):
            if held.tap.lost is not None:
                waited, held.tap.lost, held.waited = max(held.tap.lost, held.waited), None, 0
                await asyncio.to_thread(note_loss, self.city, held.line, waited)
            if name in self._begun and held.tap.begun:
                self._begun.discard(name)
                gatherer = self._gatherers.get(name)
                if not sources.needs_gatherer(held.line) or (gatherer is not None and gatherer.task is not None and not gatherer.task.done()):
                    await asyncio.to_thread(standing.say_flowing, self.city, name)

    async def _look_at_sources(self, client: Client, locks: Locks, wanted: dict[str, Wanted]) -> None:
        for name, held in list(self._gatherers.items()):
            one = wanted.get(name)
            if one is None or one.line != held.line or one.version != held.version:
                held.stopping.set()
            if held.task is not None and held.task.done():
                del self._gatherers[name]
                await asyncio.to_thread(locks.give, GATHER, name)
        for name, one in wanted.items():
            due = self._is_due(GATHER, one) and sources.needs_gatherer(one.line) and name not in self._gatherers
            if due and await asyncio.to_thread(locks.take, GATHER, name):
                self._tried[GATHER, name] = (one.line, one.version)
                held = self._gatherers[name] = _Gatherer(one.line, one.version)
                held.task = asyncio.create_task(self._gather(client, held), name=f"gather {name}")

    async def _gather(self, client: Client, held: _Gatherer) -> None:
        name = held.line.name
        gather: Callable[[Gathering], None] = sources.GATHERERS[held.line.source.kind]
        try:
            contract = await asyncio.to_thread(lake_of(self.city).contract, held.line.dataset)
            gathering = Gathering(self.city, held.line, contract, client, asyncio.get_running_loop(), held.stopping.is_set)
            await asyncio.to_thread(gather, gathering)
        except SanquError as fault:
            log.warning("live %s: its source stopped: %s", name, fault)
            await self._note_stop(name, fault, "in")
        except Exception as fault:
            log.exception("live %s: its source broke", name)
            await self._note_stop(name, sources.broke(name, fault), "in")

    async def _note_stop(self, name: str, fault: SanquError, leg: Leg) -> None:
        with suppress(psycopg.Error, SanquError):
            await asyncio.to_thread(standing.stop, self.city, name, fault, leg)

    async def _count(self) -> None:
        taken = [carrier.take_counts() for carrier, _ in self._carriers.values()]
        rows = [row for part, _ in taken for row in part]
        backlogs = [one for _, part in taken for one in part]
        if rows or backlogs:
            await asyncio.to_thread(meters.write_down, self.city, rows, backlogs)

    async def _stop_all(self) -> None:
        for held in self._gatherers.values():
            held.stopping.set()
        with suppress(psycopg.Error, SanquError):
            await self._count()
        for carrier, task in self._carriers.values():
            await end(task)
            with suppress(psycopg.Error, SanquError):
                await carrier.close()
        tasks = [held.task for held in self._gatherers.values() if held.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=5)
            await end(*late)
        self._carriers.clear()
        self._gatherers.clear()
        self._versions.clear()


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()
