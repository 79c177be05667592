"""A line's stream on JetStream: what gatherers fill and the carrier drinks from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, BadRequestError, NotFoundError

from sanqu.ground.errors import Busy, Conflict, Unavailable
from sanqu.ground.i18n import Text
from sanqu.lines.records import Line

# How much a line may have waiting, and how long a message's mark is remembered so that the same is not taken twice.
MOST_BYTES = 4 * 1024**3
REMEMBERED_SECONDS = 600.0
# JetStream refuses a message that would not fit with one of these.
FULL = (10077, 10167)
OVERLAP = 10065


@dataclass(frozen=True)
class Standing:
    """How a stream stands: when it was made (a stream made anew counts from 1 again), its last number, what waits in it."""

    epoch: str
    first: int
    last: int
    messages: int
    size: int


def stream_name(line: str) -> str:
    """The stream of a line; JetStream wants no dots in it."""
    return "LIVE-" + line.replace(".", "~")


def subject_of(line: Line) -> str:
    """Where messages of a line go: its own subject, or what devices and programs publish to anyway."""
    source = line.source
    if source.kind == "mqtt" and not source.url:
        return mqtt_subject(source.topic)
    if source.kind == "nats" and not source.url:
        return source.subject
    return "live." + line.name.replace(".", "~")


def mqtt_subject(topic: str) -> str:
    """A topic or filter of MQTT as NATS's listener maps it: levels are parted by dots, `+` is `*`, `#` is `>`."""
    marks = {"/": ".", "+": "*", "#": ">", ".": "//"}
    return "".join(marks.get(one, one) for one in topic)


async def connect(url: str, name: str) -> Client:
    """A connection that comes back by itself; raises `Unavailable`."""
    try:
        return await nats.connect(
            url, name=name, max_reconnect_attempts=-1, reconnect_time_wait=0.2, connect_timeout=3, pending_size=64 * 1024**2,
            error_cb=_silent, disconnected_cb=_quiet, reconnected_cb=_quiet,
        )  # fmt: skip
    except (NatsError, OSError) as fault:
        raise away(fault) from fault


async def _silent(_fault: Exception) -> None:
    """What goes wrong shows where it is waited for."""


async def _quiet() -> None:
    """The connection came or went; whoever waits notices."""


def _said(fault: BaseException) -> str:
    told = getattr(fault, "description", None)
    return f"{type(fault).__name__} {told}" if told else type(fault).__name__


def away(fault: BaseException) -> Unavailable:
    """The error for a bus that does not answer."""
    return Unavailable(
        "live.bus-away",
        Text(zh=f"消息总线没有响应：{_said(fault)}", en=f"The message bus does not answer: {_said(fault)}"),
        Text(zh="检查 NATS 是否在运行；它回来后专线自动继续", en="Check that NATS runs; the line goes on by itself when it is back"),
        "nats",
    )


async def ensure_stream(js: JetStreamContext, line: Line) -> Standing:
    """Make the line's stream where it is not there; raises `Conflict` when another line takes the same subject."""
    wanted = StreamConfig(
        name=stream_name(line.name), subjects=[subject_of(line)], retention=RetentionPolicy.LIMITS, storage=StorageType.FILE,
        discard=DiscardPolicy.NEW, max_bytes=MOST_BYTES, duplicate_window=REMEMBERED_SECONDS,
    )  # fmt: skip
    try:
        info = await js.stream_info(stream_name(line.name))
        if list(info.config.subjects or []) != wanted.subjects:
            await js.update_stream(wanted)
    except NotFoundError:
        try:
            await js.add_stream(wanted)
        except BadRequestError as fault:
            raise _taken(line) if fault.err_code == OVERLAP else away(fault) from fault
        except (NatsError, APIError) as fault:
            raise away(fault) from fault
    except (NatsError, APIError) as fault:
        raise away(fault) from fault
    return await standing(js, line.name)


async def standing(js: JetStreamContext, name: str) -> Standing:
    """How the stream of the line called `name` stands; raises `Unavailable`."""
    try:
        info = await js.stream_info(stream_name(name))
    except (NatsError, APIError) as fault:
        raise away(fault) from fault
    made = info.created
    epoch = made.isoformat() if isinstance(made, datetime) else str(made)
    state = info.state
    return Standing(epoch, state.first_seq, state.last_seq, state.messages, state.bytes)


async def lines_with_streams(js: JetStreamContext) -> list[str]:
    """The names of the lines that have a stream, whether they are still there or not."""
    lead = stream_name("")
    names = [str(info.config.name) for info in await js.streams_info_iterator()]
    return [name.removeprefix(lead).replace("~", ".") for name in names if name.startswith(lead)]


async def drop_stream(js: JetStreamContext, name: str) -> None:
    """Take the stream of a line away with all that waits in it."""
    try:
        await js.delete_stream(stream_name(name))
    except NotFoundError:
        return


async def put(js: JetStreamContext, line: Line, payload: bytes, headers: Mapping[str, str], mark: str = "") -> bool:
    """Put a message into the line's stream; once it returns, the message is kept. False for one whose `mark` was kept before.

    Raises `Busy` when the line has too much waiting, `Unavailable` when the bus is away or the stream is not there.
    """
    said = dict(headers) | ({"Nats-Msg-Id": mark} if mark else {})
    try:
        kept = await js.publish(subject_of(line), payload, timeout=10, stream=stream_name(line.name), headers=said or None)
        return not kept.duplicate
    except APIError as fault:
        raise full(line) if fault.err_code in FULL else away(fault) from fault
    except (NatsError, NoRespondersError, TimeoutError, OSError) as fault:
        raise away(fault) from fault


def full(line: Line) -> Busy:
    """The error for a line that has as much waiting as it may."""
    return Busy(
        "live.behind",
        Text(zh="这条专线积压已满，装载还没有跟上", en="The line has as much waiting as it may; carrying is behind"),
        Text(zh="稍后重试；看专线页上写明的原因", en="Try again later; the page of the line names the cause"),
        line.name,
        facts={"retry_after": 5},
    )


def _taken(line: Line) -> Conflict:
    return Conflict(
        "live.subject-taken",
        Text(zh=f"另一条专线已接收 {subject_of(line)}", en=f"Another line already takes {subject_of(line)}"),
        Text(zh="换一个主题，或并入那条专线", en="Use another topic or subject, or that line"),
        line.name,
    )
