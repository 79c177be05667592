"""A subject of another NATS: of a stream there, if one keeps it, each message until it is kept here; else what comes while we listen."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import ConsumerConfig
from nats.js.errors import Error as JsError
from nats.js.errors import NotFoundError

from sanqu.ground.telemetry import tracer_of
from sanqu.lines.live.envelope import LONGEST_SHOWN, TRACE, given_trace
from sanqu.lines.live.gather.outlet import Gathering, Outlet
from sanqu.lines.live.standing import set_state
from sanqu.lines.live.stream import away, connect

BATCH = 500
WAIT_SECONDS = 0.5
LARGEST = 7 * 1024**2


def gather(gathering: Gathering) -> None:
    """Take messages until told to stop; runs in a thread of its own, its work on the bus's loop. Raises `Unavailable`."""
    asyncio.run_coroutine_threadsafe(_gather(gathering), gathering.loop).result()


async def _gather(gathering: Gathering) -> None:
    source = gathering.line.source
    other = await connect(source.url, f"sanqu {gathering.line.name}")
    outlet = Outlet(gathering.client, gathering.line, tracer_of(gathering.city), ordered=False)
    try:
        await outlet.open()
        await asyncio.to_thread(set_state, gathering.city, gathering.line.name, "flowing")
        stream = await _stream_of(other, source.subject)
        if stream:
            await _drain_stream(gathering, other, outlet, stream)
        else:
            await _listen(gathering, other, outlet)
    except (NatsError, JsError, OSError) as fault:
        raise away(fault) from fault
    finally:
        with suppress(NatsError, OSError):
            await other.close()


async def _stream_of(other: Client, subject: str) -> str:
    try:
        return await other.jetstream().find_stream_name_by_subject(subject)
    except (NotFoundError, NatsError):
        return ""


async def _drain_stream(gathering: Gathering, other: Client, outlet: Outlet, stream: str) -> None:
    """Each message is acknowledged there once it is kept here; one that comes twice has a mark that is known."""
    durable = f"sanqu-{gathering.line.name}".replace(".", "-")
    config = ConsumerConfig(ack_wait=30, max_ack_pending=5_000)
    taking = await other.jetstream().pull_subscribe(gathering.line.source.subject, durable=durable, stream=stream, config=config)
    while not gathering.stopping():
        try:
            messages = await taking.fetch(BATCH, timeout=WAIT_SECONDS)
        except NatsTimeout:
            _refuse_silence(other)
            continue
        for message in messages:
            headers = {"Nats-Msg-Id": f"{stream}:{message.metadata.sequence.stream}", TRACE: _trace_of(message)}
            await outlet.put_payload(_fitting(message.data), headers)
        await outlet.settle()
        for message in messages:
            await message.ack()


def _refuse_silence(other: Client) -> None:
    """Raise `Unavailable` when the other bus is gone: the connection would wait for it without a word."""
    if not other.is_connected:
        raise away(ConnectionError())


def _trace_of(message: Msg) -> str:
    """The trace that a message brings in its header."""
    return given_trace((message.headers or {}).get(TRACE))


def _fitting(payload: bytes) -> bytes:
    """A payload, or the beginning of one that is too large for a message: that is no row, and waits in the quarantine."""
    return payload if len(payload) <= LARGEST else payload[:LONGEST_SHOWN] + b" ..."


async def _listen(gathering: Gathering, other: Client, outlet: Outlet) -> None:
    arrived: asyncio.Queue[Msg] = asyncio.Queue()
    listening = await other.subscribe(gathering.line.source.subject, cb=arrived.put)
    while not gathering.stopping():
        _refuse_silence(other)
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                message = await arrived.get()
            await outlet.put_payload(_fitting(message.data), {TRACE: _trace_of(message)})
        if arrived.empty():
            await outlet.settle()
    await listening.unsubscribe()
