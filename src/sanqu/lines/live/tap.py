"""Messages out of a line's stream, in order and without a gap, from where the lake says the line stands."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import Error as JsError

from sanqu.ground.errors import SanquError
from sanqu.lines.live.positions import Position
from sanqu.lines.live.stream import away, ensure_stream, stream_name
from sanqu.lines.records import Line

log = logging.getLogger(__name__)

ASK_MESSAGES, ASK_BYTES, ASK_SECONDS = 2_000, 8 * 1024**2, 5.0
# While there is nothing to bring, JetStream says so once a second. Where it says nothing, it has lost what it was asked for
# (seen under load with nats-server 2.9: nothing came for eight seconds, and then all of it).
BEAT_SECONDS, SILENT_SECONDS = 1.0, 2.5
# How often it is looked whether the connection was made anew.
LOOK_SECONDS = 0.25
# What is lost on the way is had again sooner than this.
LASTING_SECONDS = 3.0
# No more is asked for while so much is held here.
MOST_HELD, MOST_HELD_BYTES = 12_000, 48 * 1024**2


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a stream: its number, when JetStream kept it (ms since 1970), what it holds, where it was sent."""

    seq: int
    kept: int
    payload: bytes
    headers: dict[str, str]
    subject: str


class Gap(Exception):
    """Messages were lost between JetStream and here, or it fell silent: the tap opens anew."""


class Tap:
    """What waits in a line's stream, held ready for the carrier."""

    def __init__(self, client: Client, line: Line, position: Position, wake: Callable[[], None]) -> None:
        self.line = line
        self.held: deque[Message] = deque()
        self.held_bytes = 0
        # How many messages are in the stream after those held here.
        self.beyond = 0
        self.since: float | None = None
        self.begun = False
        # Why nothing can be had, and since when (steady clock).
        self.fault: SanquError | None = None
        self.failing: float | None = None
        self.epoch = position.epoch
        # How many messages were known to wait in a stream that is gone, until somebody has said so.
        self.lost: int | None = None
        self._client, self._wake = client, wake
        self._next = position.seq + 1
        self._room = asyncio.Event()

    def lasting_fault(self) -> SanquError | None:
        """Why nothing could be had of the stream for some seconds."""
        lasts = self.failing is not None and time.monotonic() - self.failing > LASTING_SECONDS
        return self.fault if lasts else None

    @property
    def backlog(self) -> int:
        """Messages that wait, here and in the stream."""
        return len(self.held) + self.beyond

    async def flow(self) -> None:
        """Hold messages ready, until cancelled; what is lost on the way is asked for again."""
        while True:
            try:
                await self._begin()
                await self._drink()
            except (Gap, SanquError, NatsError, JsError, TimeoutError, OSError) as fault:
                log.debug("live %s: the tap opens anew: %s", self.line.name, fault)
                self.failing = self.failing or time.monotonic()
                self.fault = fault if isinstance(fault, SanquError) else away(fault)
                await asyncio.sleep(0.2)

    async def _begin(self) -> None:
        """A stream that was made anew counts from 1 again: what was carried of the old one says nothing about it."""
        there = await ensure_stream(self._client.jetstream(), self.line)
        if there.epoch != self.epoch:
            self.lost = self.backlog if self.epoch else None
            self.held.clear()
            self.held_bytes, self.epoch, self._next = 0, there.epoch, 1

    def take(self, most_messages: int, most_bytes: int, most_rows: int | None = None) -> list[Message]:
        """The next messages, at least one where there is one; of rows as many as their lines say."""
        taken: list[Message] = []
        size = rows = 0
        while self.held and len(taken) < most_messages and (not taken or size + len(self.held[0].payload) <= most_bytes):
            if most_rows is not None and rows >= most_rows:
                break
            one = self.held.popleft()
            size += len(one.payload)
            rows += one.payload.count(b"\n") + 1 if most_rows is not None else 0
            taken.append(one)
        self.held_bytes -= size
        self.since = time.monotonic() if self.held else None
        self._room.set()
        return taken

    async def _drink(self) -> None:
        """Ask one short-lived consumer for messages as long as they come in order."""
        js = self._client.jetstream()
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=self._next, ack_policy=AckPolicy.NONE,
            inactive_threshold=30.0, mem_storage=True, num_replicas=1, max_waiting=4,
        )  # fmt: skip
        stream = stream_name(self.line.name)
        consumer = (await js.add_consumer(stream, config)).name
        inbox = self._client.new_inbox()
        answers = await self._client.subscribe(inbox, pending_msgs_limit=-1, pending_bytes_limit=-1)
        ask = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        # A message that is larger than what is asked for would never come.
        most = max(ASK_BYTES, 2 * self._client.max_payload)
        request = json.dumps({"batch": ASK_MESSAGES, "max_bytes": most, "expires": int(ASK_SECONDS * 1e9), "idle_heartbeat": int(BEAT_SECONDS * 1e9)}).encode()
        count, connection = 0, self._client.stats["reconnects"]
        try:
            while True:
                self.begun, self.fault, self.failing = True, None, None
                await self._wait_for_room()
                await self._client.publish(ask, request, reply=inbox)
                left, over = ASK_MESSAGES, time.monotonic() + ASK_SECONDS + BEAT_SECONDS
                while left:
                    message = await self._next_of(answers, connection, over)
                    if _status(message) == "100":
                        continue
                    if _is_last(message):
                        break
                    count, left = count + 1, left - 1
                    self._keep(message, count)
        finally:
            with suppress(NatsError):
                await answers.unsubscribe()
            with suppress(NatsError, JsError):
                await js.delete_consumer(stream, consumer)

    async def _next_of(self, answers: Subscription, connection: int, over: float) -> Msg:
        """The next message; raises `Gap` where nobody remembers what was asked for: the connection was made anew, nothing is heard,
        or the request ran out (`over`) and nobody said so."""
        until = min(over, time.monotonic() + SILENT_SECONDS)
        while True:
            try:
                return await answers.next_msg(timeout=LOOK_SECONDS)
            except TimeoutError:
                if self._client.stats["reconnects"] != connection or time.monotonic() > until:
                    raise Gap("the bus was away, or has forgotten the request") from None

    async def _wait_for_room(self) -> None:
        while len(self.held) >= MOST_HELD or self.held_bytes >= MOST_HELD_BYTES:
            self._room.clear()
            await self._room.wait()

    def _keep(self, message: Msg, count: int) -> None:
        """Hold a message; raises `Gap` when it is not the one that comes next."""
        parts = message.reply.split(".")
        # $JS.ACK.<domain>.<account>.<stream>.<consumer>.<delivered>.<seq>.<count>.<time>.<pending>.<token>, or without domain.
        seq, number, at, pending = (int(part) for part in (parts[5:9] if len(parts) == 9 else parts[7:11]))
        if number != count or seq < self._next:
            raise Gap(f"message {number} in place of {count}")
        self._next = seq + 1
        self.beyond = pending
        if not self.held:
            self.since = time.monotonic()
        # A bus on another machine may have a clock that is ahead of ours.
        self.held.append(Message(seq, min(at // 1_000_000, int(time.time() * 1000)), message.data, message.headers or {}, message.subject))
        self.held_bytes += len(message.data)
        self._wake()


def _is_last(message: Msg) -> bool:
    """Whether JetStream says that a request is over; raises `Gap` for what says that the consumer is."""
    if message.reply:
        return False
    told = message.headers or {}
    # Nothing there, time over, as many bytes as were asked for.
    if _status(message) in ("404", "408") or "MaxBytes" in told.get("Description", ""):
        return True
    raise Gap(str(told))


def _status(message: Msg) -> str:
    """What JetStream itself says in a message; empty for one of the stream."""
    return "" if message.reply else (message.headers or {}).get("Status", "")
