"""How a letter leaves: a webhook signed after the Standard Webhooks specification, or messages on a NATS subject."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import orjson
from nats.errors import Error as NatsError
from nats.js.errors import APIError, NotFoundError

from sanqu.ground.city import City
from sanqu.ground.errors import Conflict, Unavailable
from sanqu.ground.i18n import Text
from sanqu.lines.live.stream import connect
from sanqu.lines.sources.reach import fence_of
from sanqu.lines.sources.web import FencedTransport
from sanqu.sharing.feed import Feed
from sanqu.sharing.subscribers.records import Kind

# A receiver that asks for patience gets it, within reason.
LONGEST_WAIT = 3600.0
# Room beside the rows in a message of the bus.
SPARE_BYTES = 8 * 1024
LINE_STREAM = "LIVE-"


@dataclass(frozen=True)
class Address:
    """Where a subscription delivers to; with `fenced`, only where anybody may send."""

    kind: Kind
    target: str
    secret: str
    fenced: bool


@dataclass(frozen=True)
class Message:
    """What is said: `type` (`dataset.changed`, `dataset.reload`, `subscription.test`), the delivery's id, what changed.

    `trace` is the `traceparent` (W3C Trace Context) of the newest row, where a line brought it.
    """

    id: str
    type: str
    made: datetime
    feed: Feed
    trace: str = ""

    @property
    def tracing(self) -> dict[str, str]:
        """The trace as a header."""
        return {"traceparent": self.trace} if self.trace else {}

    def body(self) -> bytes:
        """The message as JSON, in the shape that Standard Webhooks recommends."""
        return orjson.dumps({"type": self.type, "timestamp": self.made.isoformat(), "data": orjson.Fragment(self.feed.as_json())})


def sign(secret: str, id_: str, at: int, body: bytes) -> str:
    """The signature of a delivery: HMAC-SHA256 over id, Unix time and body (Standard Webhooks, “Signature scheme”)."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{id_}.{at}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(signed).decode()


class Post:
    """Sends for one process; connections to receivers are kept open."""

    def __init__(self, city: City) -> None:
        self._city = city
        timeout = httpx.Timeout(city.settings.subscription_timeout)
        self._free = httpx.Client(timeout=timeout, follow_redirects=False)
        # A proxy of the environment would look names up anew.
        self._fenced = httpx.Client(timeout=timeout, follow_redirects=False, transport=FencedTransport(fence_of(city)), trust_env=False)

    def send(self, address: Address, message: Message) -> None:
        """Deliver; returns once the receiver took it.

        Raises `Unavailable` (with `retry_after` where the receiver said so) for one that did not, `Conflict` for one that
        wants nothing more or a subject that is a line's, `Refused` for an address that is shut.
        """
        if address.kind == "nats":
            _publish(self._city.bus.url, address.target, message)
            return
        body, at = message.body(), int(time.time())
        headers = {
            "content-type": "application/json", "user-agent": "Sanqu-Subscriptions/1", "webhook-id": message.id,
            "webhook-timestamp": str(at), "webhook-signature": sign(address.secret, message.id, at, body),
            **message.tracing,
        }  # fmt: skip
        client = self._fenced if address.fenced else self._free
        try:
            # What the receiver says beside its status is not read.
            with client.stream("POST", address.target, content=body, headers=headers) as answer:
                _refuse_status(answer, address.target)
        except httpx.HTTPError as fault:
            raise _not_reached(fault, address.target) from fault

    def close(self) -> None:
        """Hang up."""
        self._free.close()
        self._fenced.close()


def post_of(city: City) -> Post:
    """The post of this process."""
    return city.part(Post, Post)


def _refuse_status(answer: httpx.Response, url: str) -> None:
    if answer.is_success:
        return
    if answer.status_code == 410:
        raise Conflict(
            "subscriptions.gone",
            Text(zh="接收方回答 410：不再接收", en="The receiver answered 410: it wants nothing more"),
            Text(zh="接收方恢复后，在订阅页上继续", en="Resume the subscription when the receiver is back"),
            url,
        )
    after = retry_after(answer.headers, datetime.now(UTC))
    raise Unavailable(
        "subscriptions.not-taken",
        Text(zh=f"接收方回答 HTTP {answer.status_code}", en=f"The receiver answered HTTP {answer.status_code}"),
        Text(zh="检查接收方；会自动再试", en="Look at the receiver; it is tried again by itself"),
        url,
        facts={"status": answer.status_code} | ({} if after is None else {"retry_after": after}),
    )


def retry_after(headers: Mapping[str, str], at: datetime) -> float | None:
    """Seconds that `Retry-After` asks for (a number, or a moment), at most an hour; None where it says nothing."""
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(LONGEST_WAIT, float(said))
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(LONGEST_WAIT, max(0.0, (moment - at).total_seconds()))


def _not_reached(fault: Exception, target: str) -> Unavailable:
    kind = type(fault).__name__
    return Unavailable(
        "subscriptions.not-reached",
        Text(zh=f"到不了接收方：{kind}", en=f"The receiver cannot be reached: {kind}"),
        Text(zh="检查接收方；会自动再试", en="Look at the receiver; it is tried again by itself"),
        target,
    )


def _publish(url: str, subject: str, message: Message) -> None:
    try:
        asyncio.run(_publish_parts(url, subject, message))
    except (NatsError, APIError, TimeoutError, OSError) as fault:
        raise _not_reached(fault, subject) from fault


async def _publish_parts(url: str, subject: str, message: Message) -> None:
    client = await connect(url, "sanqu subscriptions")
    try:
        js = client.jetstream()
        try:
            stream = await js.find_stream_name_by_subject(subject)
        except NotFoundError:
            stream = ""
        if stream.startswith(LINE_STREAM):
            raise Conflict(
                "subscriptions.subject-of-line",
                Text(zh="这个主题是一条专线的来源", en="The subject is the source of a line"),
                Text(zh="换一个主题", en="Use another subject"),
                subject,
            )
        parts = list(_parts(message, client.max_payload - SPARE_BYTES))
        for number, body in enumerate(parts, 1):
            headers = {"Nats-Msg-Id": f"{message.id}.{number}", "webhook-id": message.id, "Sanqu-Part": f"{number}/{len(parts)}", **message.tracing}
            if stream:
                await js.publish(subject, body, timeout=10, stream=stream, headers=headers)
            else:
                await client.publish(subject, body, headers=headers)
        await client.flush()
    finally:
        await client.close()


def _parts(message: Message, most: int) -> Iterable[bytes]:
    """The message as one body, or as several that the bus takes; each holds some of the changes."""
    whole = message.body()
    changes = message.feed.changes
    if len(whole) <= most or len(changes) < 2:
        yield whole
        return
    for part in (changes[: len(changes) // 2], changes[len(changes) // 2 :]):
        feed = Feed(message.feed.dataset, message.feed.after, message.feed.snapshot, part, message.feed.reload)
        yield from _parts(Message(message.id, message.type, message.made, feed), most)
