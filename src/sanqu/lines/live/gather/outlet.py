"""Messages into a line's stream in the order of its source: none is kept unless the one before it was."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import PubAck
from nats.js.errors import APIError, NoStreamResponseError

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, SanquError, Unavailable
from sanqu.ground.i18n import Text
from sanqu.ground.telemetry import Tracer, tracer_of
from sanqu.lake import Contract
from sanqu.lines.live.envelope import AT, CHANGES, FORM, TRACE, Change, encode_changes, new_trace
from sanqu.lines.live.stream import FULL, Standing, away, ensure_stream, full, standing, stream_name, subject_of
from sanqu.lines.records import Line

# So many messages may be on their way before the first is known to be kept.
WINDOW = 64
WRONG_LAST = 10071
# How long a message may take to be kept, how often it is looked whether the connection was made anew meanwhile, and how long
# messages that waited for it may take then.
KEPT_SECONDS, LOOK_SECONDS, AGAIN_SECONDS = 15.0, 0.25, 0.25
# Room for what stands before a payload.
HEADERS = 4096
MOST_ROWS, MOST_BYTES = 1_000, 400_000


@dataclass(frozen=True)
class _Sent:
    """A message on its way: what will say that it is kept, and what to send again if the bus goes away before; `connection`
    counts how often the connection had been made anew by then."""

    kept: asyncio.Future[PubAck]
    payload: bytes
    headers: dict[str, str]
    connection: int
    since: float

    @property
    def number(self) -> int:
        """The number that the message has in its stream, where its order is kept."""
        return int(self.headers["Nats-Expected-Last-Sequence"]) + 1


class Outlet:
    """The only writer of a line's stream: another one that still believes to be it is refused by JetStream.

    Where the source has no order that must be kept, `ordered` is False, and others may write too.
    """

    def __init__(self, client: Client, line: Line, tracer: Tracer, *, ordered: bool = True) -> None:
        self.line, self._ordered, self._tracer = line, ordered, tracer
        self._client = client
        self._js = client.jetstream()
        self._last = 0
        self._epoch = ""
        self._sent: deque[_Sent] = deque()

    async def open(self) -> None:
        """Find the end of the stream; raises `Unavailable`, `Conflict`."""
        there = await ensure_stream(self._js, self.line)
        self._last, self._epoch = there.last, there.epoch

    async def put(self, changes: Sequence[Change], at: int) -> None:
        """Send changes that came to be at `at` (ms since 1970); raises what befell this message or one before it."""
        await self.put_payload(encode_changes(changes), {FORM: CHANGES, AT: str(at)})

    async def put_payload(self, payload: bytes, headers: dict[str, str]) -> None:
        """Send a message; raises what befell it or one before it."""
        if len(payload) + HEADERS > self._client.max_payload:
            raise _too_large(self.line, len(payload), self._client.max_payload)
        while self._sent and (self._sent[0].kept.done() or len(self._sent) >= WINDOW):
            await self._next_kept()
        trace, span = self._begin_trace(headers)
        said = {**headers, TRACE: trace, "Nats-Expected-Stream": stream_name(self.line.name)}
        if self._ordered:
            said["Nats-Expected-Last-Sequence"] = str(self._last)
        self._sent.append(await self._send(payload, said, span))
        self._last += 1

    async def _send(self, payload: bytes, headers: dict[str, str], span: Any = None) -> _Sent:
        try:
            kept = await self._js.publish_async(subject_of(self.line), payload, wait_stall=10, headers=headers)
        except (NatsError, APIError, OSError) as fault:
            raise away(fault) from fault
        if span is not None:
            kept.add_done_callback(lambda _kept: span.end())
        return _Sent(kept, payload, headers, self._client.stats["reconnects"], time.monotonic())

    def _begin_trace(self, headers: Mapping[str, str]) -> tuple[str, Any]:
        """The trace that the message belongs to, from the moment at which its rows came to be at their source."""
        given = headers.get(TRACE, "")
        at = int(headers.get(AT) or now().timestamp() * 1000)
        trace, span = self._tracer.begin("gather", given, at, line=self.line.name, via=self.line.source.kind)
        return trace or new_trace(), span

    async def tend(self) -> None:
        """Without waiting: see to what was sent and is not known to be kept; raises what befell it.

        After the bus was away it is sent again. Where the source has nothing more to say, nobody else would notice.
        """
        while self._sent and self._sent[0].kept.done():
            await self._next_kept()
        if not self._sent:
            return
        if self._may_be_lost(self._sent[0]):
            await self._send_again()
        elif time.monotonic() - self._sent[0].since > KEPT_SECONDS:
            raise away(TimeoutError())

    async def settle(self) -> None:
        """Wait until all that was sent is kept; raises what befell it."""
        while self._sent:
            await self._next_kept()

    async def _next_kept(self) -> None:
        until = time.monotonic() + KEPT_SECONDS
        while self._sent and time.monotonic() < until:
            if self._may_be_lost(self._sent[0]):
                await self._send_again()
            elif self._sent[0].kept.done():
                break
            else:
                await asyncio.wait({self._sent[0].kept}, timeout=LOOK_SECONDS)
        if not self._sent:
            return
        sent = self._sent.popleft()
        if not sent.kept.done():
            raise away(TimeoutError())
        try:
            sent.kept.result()
        except APIError as fault:
            raise self._refusal(fault) from fault
        except (NatsError, NoStreamResponseError, TimeoutError, OSError) as fault:
            raise away(fault) from fault

    def _may_be_lost(self, sent: _Sent) -> bool:
        """Whether the bus went away, or had just come back and did not know the stream yet, when the message reached it."""
        if sent.kept.done():
            return not sent.kept.cancelled() and isinstance(sent.kept.exception(), NoStreamResponseError)
        return sent.connection != self._client.stats["reconnects"] and self._client.is_connected

    async def _send_again(self) -> None:
        """After the bus was away: whatever it did not keep is sent once more, at once, in its order.

        Raises `Unavailable` where it cannot be told what was kept: then it begins again from where the lake stands.
        """
        if not self._ordered:
            raise away(ConnectionError())
        there = await self._standing_again()
        if there.epoch != self._epoch:
            raise away(ConnectionError())
        held, self._sent = self._sent, deque()
        for one in held:
            told = one.kept.done() and not one.kept.cancelled()
            if told and (one.kept.exception() is None or one.number <= there.last):
                self._sent.append(one)
                continue
            one.kept.cancel()
            if one.number > there.last:
                self._sent.append(await self._send(one.payload, one.headers))

    async def _standing_again(self) -> Standing:
        """How the stream stands; a bus that was started a moment ago is given the time to find its streams."""
        until = time.monotonic() + KEPT_SECONDS
        while True:
            try:
                await self._client.flush(2)
                # What had waited for the connection may just be on its way in.
                await asyncio.wait([one.kept for one in self._sent], timeout=AGAIN_SECONDS)
                return await standing(self._js, self.line.name)
            except (NatsError, OSError, SanquError) as fault:
                if time.monotonic() > until:
                    raise fault if isinstance(fault, SanquError) else away(fault) from fault
                await asyncio.sleep(LOOK_SECONDS)

    def _refusal(self, fault: APIError) -> SanquError:
        if fault.err_code in FULL:
            return full(self.line)
        if fault.err_code == WRONG_LAST:
            return Unavailable(
                "live.overtaken",
                Text(zh="另一个进程也在写这条专线的流，或它被重建了", en="Another process writes to the line's stream, or it was made anew"),
                Text(zh="自动从数据湖里的进度重新开始", en="It begins again from where the lake stands, by itself"),
                self.line.name,
            )
        return away(fault)


def _too_large(line: Line, size: int, most: int) -> BadInput:
    return BadInput(
        "live.row-large",
        Text(zh=f"来源有一行约 {size // 1024} KB，消息总线至多收 {most // 1024} KB", en=f"A row of the source has about {size // 1024} KB; the bus takes {most // 1024} KB"),
        Text(zh="调大 NATS 的 max_payload，或不要这一列（在来源的发布里去掉）；改好后从停下的地方继续",
             en="Raise max_payload of NATS, or leave the column out of the publication at the source; the line goes on where it stopped"),
        line.name,
        facts={"bytes": size},
    )  # fmt: skip


@dataclass(frozen=True)
class Gathering:
    """What a gatherer works with: the city, the line and its contract, a connection to the bus."""

    city: City
    line: Line
    contract: Contract
    client: Client
    loop: asyncio.AbstractEventLoop
    stopping: Callable[[], bool]

    def wait_for(self, work: object) -> None:
        """From a thread: run a coroutine on the bus's loop and wait for it."""
        asyncio.run_coroutine_threadsafe(work, self.loop).result(60)  # type: ignore[arg-type]


class Writer:
    """Changes from a thread, put together into messages: a full one goes at once, a started one when the source pauses."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._outlet = Outlet(gathering.client, gathering.line, tracer_of(gathering.city))
        self._held: list[Change] = []
        self._size = 0
        self._at = 0
        self._since = self._tended = 0.0
        gathering.wait_for(self._outlet.open())

    @property
    def waiting_since(self) -> float | None:
        """When the first change that is not sent yet came (steady clock)."""
        return self._since if self._held else None

    def add(self, change: Change, at: int, size: int) -> None:
        """Take a change of about `size` bytes that came to be at `at` (ms)."""
        if not self._held:
            self._at, self._since = at, time.monotonic()
        self._held.append(change)
        self._size += size
        if len(self._held) >= MOST_ROWS or self._size >= MOST_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what was taken."""
        if self._held:
            held, self._held, self._size = self._held, [], 0
            self._gathering.wait_for(self._outlet.put(held, self._at))

    def tend(self) -> None:
        """Now and then while the source pauses: see that what was sent is kept."""
        if time.monotonic() - self._tended > LOOK_SECONDS:
            self._gathering.wait_for(self._outlet.tend())
            self._tended = time.monotonic()

    def settle(self) -> None:
        """Send what was taken and wait until all is kept."""
        self.flush()
        self._gathering.wait_for(self._outlet.settle())
