"""Live pages (实时页面): what changes is asked once for all who look at the same with the same rights, and told to each of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson

from sanqu.ground.city import City
from sanqu.ground.errors import Busy, SanquError
from sanqu.ground.hub import hub_of
from sanqu.ground.i18n import Text
from sanqu.ground.tasks import end
from sanqu.scenes.showing.asking import Asking, Reader, law_now
from sanqu.scenes.showing.blocks import Drawn, queries_of
from sanqu.scenes.showing.streaming import drawn_later, parts_of
from sanqu.scenes.writing.page import Block, Prose

# While nothing changes a line is sent all the same; the law is looked at again then.
QUIET_SECONDS = 15.0
# Changes that come together are told together: nobody reads faster.
GATHER_SECONDS = 0.2
# After so long a browser connects anew, and who they are is looked up again.
MOST_SECONDS = 300.0
MOST_VIEWERS = 5_000

# Blocks that show each reader what they may know of.
PERSONAL = ("alarms", "cases")

Key = tuple[object, ...]


@dataclass(eq=False)
class Viewer:
    """One who looks, and the snapshot that they saw (-1: they are told everything).

    What they have not taken yet is kept by block: whoever is slow sees the newest, not all between.
    """

    at: int
    pending: dict[str, Drawn] = field(default_factory=dict)
    # Blocks that each viewer is shown by their own rights (alarms, cases), to be looked at again.
    again: set[str] = field(default_factory=set)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Watch:
    """One page as all with the same rights, inputs and language see it; asked once a change, while anybody looks."""

    def __init__(self, reader: Reader, told: Mapping[str, str], law: int, tables: Mapping[str, frozenset[str]]) -> None:
        self._reader, self._told, self.law, self._tables = reader, told, law, tables
        self._drawn: dict[str, Drawn] = {}
        self.viewers: set[Viewer] = set()
        self.moved = False
        # How often something changed and was asked again.
        self.rounds = 0
        self._task: asyncio.Task[None] | None = None

    def join(self, viewer: Viewer) -> None:
        """Tell a viewer from now on; what is newer than they saw, at once."""
        self.viewers.add(viewer)
        self._tell(viewer, [one for one in self._drawn.values() if one.snapshot > viewer.at])
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def leave(self, viewer: Viewer) -> bool:
        """Tell them no more; whether nobody is left."""
        self.viewers.discard(viewer)
        if not self.viewers and self._task is not None:
            self._task.cancel()
            self._task = None
        return not self.viewers

    def _tell(self, viewer: Viewer, drawn: list[Drawn]) -> None:
        if drawn:
            viewer.pending |= {one.id: one for one in drawn}
            viewer.wake.set()

    async def _run(self) -> None:
        names = frozenset(name for tables in self._tables.values() for name in tables)
        topics = tuple(f"lake.write.{name}" for name in names) or ("lake.write.",)
        async with hub_of(self._reader.city).listen(topics, lambda message: message.get("dataset") in names) as listening, self._telling_of_alarms():
            # What was written between the page and this moment.
            await self._look(live_parts(self._reader), {})
            drawn = time.monotonic()
            while True:
                message = await listening.next(QUIET_SECONDS)
                changed: dict[str, int] = {}
                until = max(time.monotonic() + GATHER_SECONDS, drawn + self._reader.page.pace)
                while message is not None:
                    changed[str(message["dataset"])] = int(message.get("snapshot") or 0)
                    message = await listening.next(max(0.0, until - time.monotonic()))
                if await self._law_moved():
                    return
                if changed:
                    drawn = time.monotonic()
                    await self._look(self._showing(frozenset(changed)), changed)

    @asynccontextmanager
    async def _telling_of_alarms(self) -> AsyncIterator[None]:
        """Meanwhile, whoever is shown alarms is told of new ones at once, whatever is being drawn."""
        personal = [part.id for part in self._reader.page.parts if isinstance(part, Block) and part.component in PERSONAL]
        hearing = asyncio.create_task(self._hear_alarms(personal)) if personal else None
        try:
            yield
        finally:
            if hearing is not None:
                await end(hearing)

    async def _hear_alarms(self, ids: list[str]) -> None:
        async with hub_of(self._reader.city).listen(f"scenes.alarms.{self._reader.stage.name}") as listening:
            while True:
                if await listening.next(QUIET_SECONDS) is not None:
                    self._look_again(ids)

    def _look_again(self, ids: list[str]) -> None:
        """Let each viewer look at blocks by their own rights."""
        for viewer in self.viewers:
            viewer.again |= set(ids)
            viewer.wake.set()

    async def _law_moved(self) -> bool:
        """Whether the law is another than when this was begun: then everybody is looked up again."""
        if await asyncio.to_thread(law_now, self._reader.city) == self.law:
            return False
        self.moved = True
        for viewer in self.viewers:
            viewer.wake.set()
        return True

    def _showing(self, changed: frozenset[str]) -> list[Prose | Block]:
        """The parts that show something of these datasets."""
        page = self._reader.page
        return [part for part in live_parts(self._reader) if any(self._tables.get(name, frozenset()) & changed for name in queries_of(part, page))]

    async def _look(self, parts: list[Prose | Block], at: Mapping[str, int]) -> None:
        """Draw parts anew, and tell the viewers what looks otherwise; for the first time, what they have not seen."""
        asking = Asking(self._reader, at)
        self.rounds += 1
        drawn = [one for _part, one in await asyncio.gather(*(drawn_later(asking, part, self._told) for part in parts))]
        first = [one for one in drawn if one.id not in self._drawn]
        moved = [one for one in drawn if one.id in self._drawn and one.html != self._drawn[one.id].html]
        self._drawn |= {one.id: one for one in drawn}
        for viewer in self.viewers:
            self._tell(viewer, [*(one for one in first if one.snapshot > viewer.at), *moved])


def live_parts(reader: Reader) -> list[Prose | Block]:
    """The parts that are drawn anew when their data move."""
    return [part for part in parts_of(reader.page, reader.lang) if not (isinstance(part, Block) and part.component == "inputs") and queries_of(part, reader.page)]


class Watches:
    """What is watched in this process."""

    def __init__(self, _city: City) -> None:
        self.of: dict[Key, Watch] = {}

    @property
    def viewers(self) -> int:
        """How many look."""
        return sum(len(one.viewers) for one in self.of.values())


def watches_of(city: City) -> Watches:
    """The watches of this process."""
    return city.part(Watches, Watches)


def check_room(city: City) -> None:
    """Raise `Busy` where as many look at live pages as one process can tell."""
    if watches_of(city).viewers >= MOST_VIEWERS:
        raise Busy("scenes.viewers", Text(zh="同时看的人太多", en="Too many look at live pages"), Text(zh="过一会儿再看", en="Try again in a while"))


def _known(reader: Reader, told: Mapping[str, str]) -> tuple[Key, int, dict[str, frozenset[str]]]:
    """What tells this reading from others: the page, its inputs, and what the law makes of each query for this reader."""
    asking, law = Asking(reader), law_now(reader.city)
    rights: dict[str, object] = {}
    tables: dict[str, frozenset[str]] = {}
    for name in dict.fromkeys(name for part in live_parts(reader) for name in queries_of(part, reader.page)):
        try:
            one = asking.decide(name)
        except SanquError as fault:
            rights[name], tables[name] = fault.code, frozenset()
            continue
        rights[name], tables[name] = one.rights, frozenset(table.contract for table in one.decision.tables)
    said = tuple(sorted((key, value) for key, value in told.items() if "." in key))
    params = tuple(sorted((key, str(value)) for key, value in reader.params.items()))
    key = (reader.stage.name, id(reader.stage), reader.page.name, reader.lang, reader.asker.signed_in, law, said, params, tuple(rights.items()))
    return key, law, tables


async def follow(reader: Reader, told: Mapping[str, str], at: int) -> AsyncIterator[bytes]:
    """Server-sent events for one viewer: `block` with the id, HTML and snapshot of what changed after snapshot `at`; `again` with blocks
    to be fetched, for they differ by reader; `refused`."""
    watches, until, viewer = watches_of(reader.city), time.monotonic() + MOST_SECONDS, Viewer(at)
    yield b"retry: 2000\n\n" + _event("begin", at, {"page": reader.page.name})
    while time.monotonic() < until:
        try:
            key, law, tables = await asyncio.to_thread(_known, reader, told)
        except SanquError as fault:
            yield _event("refused", at, dict(fault.problem(reader.lang)))
            return
        watch = watches.of.get(key)
        if watch is None or watch.moved:
            watch = watches.of[key] = Watch(reader, told, law, tables)
        watch.join(viewer)
        try:
            while not watch.moved and time.monotonic() < until:
                try:
                    async with asyncio.timeout(QUIET_SECONDS):
                        await viewer.wake.wait()
                except TimeoutError:
                    yield b": here\n\n"
                    continue
                viewer.wake.clear()
                told_now, viewer.pending = viewer.pending, {}
                again, viewer.again = sorted(viewer.again), set()
                if again:
                    yield _event("again", at, {"ids": again})
                for one in told_now.values():
                    at = viewer.at = max(at, one.snapshot)
                    yield _event("block", at, {"id": one.id, "html": one.html, "state": one.state, "snapshot": one.snapshot})
        finally:
            if watch.leave(viewer) and watches.of.get(key) is watch:
                del watches.of[key]
        # Under another law all of it may look otherwise, and what was not taken is of the law before.
        viewer.at, viewer.pending = -1, {}


def _event(kind: str, number: int, data: Mapping[str, object]) -> bytes:
    return f"event: {kind}\nid: {number}\ndata: ".encode() + orjson.dumps(data, default=str) + b"\n\n"
