"""Vehicle terminals over TCP (JT/T 808): registered, authenticated, answered once what they said is kept."""

from __future__ import annotations

import asyncio
import hmac
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from sanqu.ground.city import City
from sanqu.ground.errors import SanquError, Unavailable
from sanqu.ground.i18n import Text
from sanqu.ground.telemetry import tracer_of
from sanqu.lines.live.devices import code_of
from sanqu.lines.live.gather.outlet import Gathering, Outlet
from sanqu.lines.live.jt808 import (
    AUTHENTICATE,
    BATCH,
    HEARTBEAT,
    POSITION,
    REGISTER,
    UNREGISTER,
    BadFrame,
    Frame,
    answer_to,
    code_said,
    custom_items,
    positions_in,
    read_frame,
    registered,
    split,
)  # fmt: skip
from sanqu.lines.live.standing import set_state

log = logging.getLogger(__name__)

# A terminal beats its heart at least once in some minutes; one that says nothing for so long is gone.
SILENT_SECONDS = 300.0
# What several terminals say together goes into one message.
GATHER_SECONDS, MOST_ROWS = 0.05, 1_000
MOST_TERMINALS = 30_000
MOST_PARTS = 64
DONE, FAILED, WRONG, UNKNOWN = 0, 1, 2, 3


@dataclass(eq=False)
class _Terminal:
    """One connection: who it is once it has said its code, and the parts of a message that is not whole yet."""

    writer: asyncio.StreamWriter
    name: str = ""
    serial: int = 0
    parts: dict[int, bytes] = field(default_factory=dict)

    def send(self, data: bytes) -> None:
        """Answer, if it is still there."""
        with suppress(OSError, RuntimeError):
            self.writer.write(data)

    def next_serial(self) -> int:
        """The number of the next answer."""
        self.serial = (self.serial + 1) & 0xFFFF
        return self.serial


@dataclass(frozen=True)
class _Said:
    """Rows of a message that waits to be kept, and whom to answer then."""

    rows: list[dict[str, Any]]
    terminal: _Terminal
    frame: Frame


def gather(gathering: Gathering) -> None:
    """Take what terminals say until told to stop; runs in a thread of its own, its work on the bus's loop. Raises `Unavailable`."""
    asyncio.run_coroutine_threadsafe(_Platform(gathering).run(), gathering.loop).result()


class _Platform:
    """The platform's side of the protocol."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering, self._line = gathering, gathering.line
        self._custom = custom_items(gathering.line.source.params)
        self._outlet = Outlet(gathering.client, gathering.line, tracer_of(gathering.city), ordered=False)
        self._waiting: asyncio.Queue[_Said] = asyncio.Queue(20_000)
        self._terminals: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Listen until told to stop."""
        await self._outlet.open()
        host, _, port = self._line.source.listen.rpartition(":")
        try:
            server = await asyncio.start_server(self._meet, host or "127.0.0.1", int(port), limit=8192)
        except (OSError, ValueError) as fault:
            raise Unavailable(
                "live.listen", Text(zh=f"不能监听 {self._line.source.listen}：{fault}", en=f"Cannot listen on {self._line.source.listen}: {fault}"),
                Text(zh="换一个地址或端口", en="Choose another address or port"), self._line.name,
            ) from fault  # fmt: skip
        await asyncio.to_thread(set_state, self._gathering.city, self._line.name, "flowing")
        try:
            while not self._gathering.stopping():
                await self._keep_some()
        finally:
            server.close()
            for task in list(self._terminals):
                task.cancel()

    async def _keep_some(self) -> None:
        """Keep what was said in the last moment, then answer those who said it."""
        try:
            async with asyncio.timeout(0.5):
                said = [await self._waiting.get()]
        except TimeoutError:
            return
        await asyncio.sleep(GATHER_SECONDS)
        while sum(len(one.rows) for one in said) < MOST_ROWS and not self._waiting.empty():
            said.append(self._waiting.get_nowait())
        await self._outlet.put_payload(b"\n".join(orjson.dumps(row) for one in said for row in one.rows), {})
        await self._outlet.settle()
        for one in said:
            one.terminal.send(answer_to(one.frame, DONE, one.terminal.next_serial()))

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._terminals) >= MOST_TERMINALS:
            writer.close()
            return
        self._terminals.add(task)
        try:
            await self._listen(reader, _Terminal(writer))
        except (OSError, TimeoutError, asyncio.CancelledError):
            log.debug("live %s: a terminal is gone", self._line.name)
        finally:
            self._terminals.discard(task)
            with suppress(OSError, RuntimeError):
                writer.close()

    async def _listen(self, reader: asyncio.StreamReader, terminal: _Terminal) -> None:
        rest = b""
        while True:
            async with asyncio.timeout(SILENT_SECONDS):
                came = await reader.read(8192)
            if not came:
                return
            frames, rest = split(rest + came)
            for inner in frames:
                await self._hear(inner, terminal)
            await terminal.writer.drain()

    async def _hear(self, inner: bytes, terminal: _Terminal) -> None:
        try:
            frame = read_frame(inner)
        except BadFrame as fault:
            # Nobody knows whose it is: what the terminal is not answered it sends again.
            log.info("live %s: a message of %s that cannot be read: %s", self._line.name, terminal.name or "a terminal", fault)
            return
        whole = _whole(frame, terminal)
        if whole is None:
            terminal.send(answer_to(frame, DONE, terminal.next_serial()))
            return
        try:
            await self._do(whole, terminal)
        except BadFrame as fault:
            log.info("live %s: %s of %s: %s", self._line.name, hex(whole.kind), whole.terminal, fault)
            terminal.send(answer_to(frame, WRONG, terminal.next_serial()))

    async def _do(self, frame: Frame, terminal: _Terminal) -> None:
        if frame.kind == REGISTER:
            code = await asyncio.to_thread(_code, self._gathering.city, self._line.name, frame.terminal)
            terminal.send(registered(frame, code, terminal.next_serial()))
        elif frame.kind == AUTHENTICATE:
            code = await asyncio.to_thread(_code, self._gathering.city, self._line.name, frame.terminal)
            good = code is not None and hmac.compare_digest(code, code_said(frame))
            terminal.name = frame.terminal if good else ""
            terminal.send(answer_to(frame, DONE if good else FAILED, terminal.next_serial()))
        elif terminal.name != frame.terminal:
            # Not known on this connection: it has to say its code first.
            terminal.send(answer_to(frame, FAILED, terminal.next_serial()))
        elif frame.kind in (POSITION, BATCH):
            await self._waiting.put(_Said(positions_in(frame, self._custom), terminal, frame))
        else:
            terminal.name = "" if frame.kind == UNREGISTER else terminal.name
            terminal.send(answer_to(frame, DONE if frame.kind in (HEARTBEAT, UNREGISTER) else UNKNOWN, terminal.next_serial()))


def _code(city: City, line: str, terminal: str) -> str | None:
    try:
        return code_of(city, line, terminal)
    except SanquError:
        return None


def _whole(frame: Frame, terminal: _Terminal) -> Frame | None:
    """The message, once all its parts are there; its parts have serial numbers one after the other."""
    if frame.parts == 1:
        return frame
    first = (frame.serial - frame.part + 1) & 0xFFFF
    if frame.parts > MOST_PARTS:
        return None
    if frame.part == 1:
        terminal.parts.clear()
    terminal.parts[(first << 8) | frame.part] = frame.body
    held = [terminal.parts.get((first << 8) | part) for part in range(1, frame.parts + 1)]
    if any(one is None for one in held):
        return None
    terminal.parts.clear()
    return Frame(frame.kind, frame.terminal, frame.serial, b"".join(one for one in held if one is not None), frame.year)
