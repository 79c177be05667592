"""Messages of devices at another MQTT broker (3.1.1 or 5): acknowledged there once they are kept here."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from sanqu.ground.errors import Unavailable
from sanqu.ground.i18n import Text
from sanqu.ground.telemetry import tracer_of
from sanqu.lines.live.envelope import LONGEST_SHOWN, TERMINALS, TRACE, given_trace
from sanqu.lines.live.gather.outlet import Gathering, Outlet
from sanqu.lines.live.standing import set_state
from sanqu.lines.records import Line
from sanqu.lines.sources.reach import without_password

# The broker keeps what comes while nobody is here for so long (MQTT 5; before that it decides by itself).
SESSION_SECONDS = 7 * 86_400
MOST_MESSAGES, MOST_BYTES = 1_000, 400_000
# Of one message; several go together.
LARGEST = 4 * 1024**2
WAIT_SECONDS = 0.02
CONNECT_SECONDS = 10.0


def gather(gathering: Gathering) -> None:
    """Take messages until told to stop; runs in a thread of its own. Raises `Unavailable` while the broker is away."""
    outlet = Outlet(gathering.client, gathering.line, tracer_of(gathering.city), ordered=False)
    gathering.wait_for(outlet.open())
    with _subscribed(gathering) as (client, arrived, broken):
        set_state(gathering.city, gathering.line.name, "flowing")
        while not gathering.stopping():
            taken = _take(arrived)
            if broken:
                raise _away(gathering, broken[0])
            if taken:
                # Messages that bring a trace of their own (MQTT 5) go by themselves, the others together.
                for trace, part in groupby(taken, _trace_of):
                    gathering.wait_for(outlet.put_payload(b"\n".join(_row(one, gathering.line) for one in part), {TRACE: trace}))
                gathering.wait_for(outlet.settle())
                for one in taken:
                    client.ack(one.mid, one.qos)


def _take(arrived: queue.Queue[mqtt.MQTTMessage]) -> list[mqtt.MQTTMessage]:
    taken: list[mqtt.MQTTMessage] = []
    size = 0
    try:
        taken.append(arrived.get(timeout=WAIT_SECONDS))
        while len(taken) < MOST_MESSAGES and size < MOST_BYTES:
            size += len(taken[-1].payload)
            taken.append(arrived.get_nowait())
    except queue.Empty:
        pass
    return taken


def _trace_of(message: mqtt.MQTTMessage) -> str:
    """The trace that a message brings as a user property (W3C Trace Context: MQTT)."""
    said = getattr(message.properties, "UserProperty", ()) if message.properties is not None else ()
    return next((found for name, value in said if name == TRACE and (found := given_trace(value))), "")


def _row(message: mqtt.MQTTMessage, line: Line) -> bytes:
    """The payload as a line; a JSON object gets the topic beside its values, what is no JSON goes as it came. Messages of vehicle
    terminals go as hexadecimal digits.

    What is too large for the bus goes as its beginning: that is no row, and waits in the quarantine.
    """
    payload = bytes(message.payload)
    if line.source.format == TERMINALS and payload[:1] == b"\x7e":
        return payload.hex().encode()
    return with_topic(payload, message.topic) if len(payload) < LARGEST else payload[:LONGEST_SHOWN].replace(b"\n", b" ") + b" ..."


def with_topic(payload: bytes, topic: str) -> bytes:
    """A payload with the topic it came by as the value `topic`, where it has none of its own."""
    try:
        said = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return payload.replace(b"\n", b" ")
    try:
        return _with_topic(said, topic)
    except TypeError:
        # Nested too deep to be written again: it is refused as it came.
        return payload.replace(b"\n", b" ")


def _with_topic(said: Any, topic: str) -> bytes:
    rows = said if isinstance(said, list) else [said]
    told = [{"topic": topic, **row} if isinstance(row, dict) else row for row in rows]
    return orjson.dumps(told if isinstance(said, list) else told[0])


@contextmanager
def _subscribed(gathering: Gathering) -> Iterator[tuple[mqtt.Client, queue.Queue[mqtt.MQTTMessage], list[str]]]:
    """A session at the broker: the client, what arrives, and why it broke, if it did."""
    source = gathering.line.source
    said = urlsplit(source.url)
    arrived: queue.Queue[mqtt.MQTTMessage] = queue.Queue(20_000)
    broken: list[str] = []
    ready: queue.Queue[str] = queue.Queue()
    client, properties = _client(gathering)
    if said.username:
        client.username_pw_set(unquote(said.username), unquote(said.password or ""))
    if said.scheme == "mqtts":
        client.tls_set()

    def connected(c: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            broken.append(str(reason))
        else:
            c.subscribe(source.topic, qos=1)
        ready.put(str(reason))

    client.on_connect = connected
    client.on_message = lambda _c, _d, message: arrived.put(message)
    client.on_disconnect = lambda *told: broken.append(str(told[3]))
    try:
        given: dict[str, Any] = {"properties": properties, "clean_start": False} if properties is not None else {}
        client.connect(said.hostname or "", said.port or (8883 if said.scheme == "mqtts" else 1883), keepalive=20, **given)
        client.loop_start()
        ready.get(timeout=CONNECT_SECONDS)
        if broken:
            raise _away(gathering, broken[0])
    except (OSError, queue.Empty, ValueError) as fault:
        raise _away(gathering, str(fault) or "no answer") from fault
    try:
        yield client, arrived, broken
    finally:
        client.on_disconnect = None
        client.disconnect()
        client.loop_stop()


def _client(gathering: Gathering) -> tuple[mqtt.Client, Properties | None]:
    name = f"sanqu-{gathering.line.name}"
    if gathering.line.source.params.get("protocol") == "3.1.1":
        old = mqtt.Client(CallbackAPIVersion.VERSION2, name, clean_session=False, protocol=mqtt.MQTTv311, manual_ack=True)
        return old, None
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_SECONDS
    return mqtt.Client(CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5, manual_ack=True), properties


def _away(gathering: Gathering, said: str) -> Unavailable:
    return Unavailable(
        "live.broker-away",
        Text(zh=f"MQTT 代理不给出消息：{said[:200]}", en=f"The MQTT broker gives no messages: {said[:200]}"),
        Text(
            zh="检查它是否在运行、账号与主题权限；只会 3.1.1 的代理在 source.params 里写 protocol = \"3.1.1\"",
            en="Check that it runs, the account and its right to the topic; for a broker that knows 3.1.1 only set protocol = \"3.1.1\" in source.params",
        ),
        without_password(gathering.line.source.url),
    )
