"""Whose turn it is, what is told, and what follows from the answer: a receiver's position moves only when it said yes."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.errors import BadInput, SanquError, Unavailable
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.tasks import end
from sanqu.ground.telemetry import tracer_of
from sanqu.lake import lake_of
from sanqu.lines.live.locks import Locks
from sanqu.lines.live.positions import trace_between
from sanqu.sharing.feed import Feed, read_feed
from sanqu.sharing.subscribers.keeping import WAKE
from sanqu.sharing.subscribers.post import Address, Message, post_of
from sanqu.sharing.subscribers.rights import asker_now

log = logging.getLogger(__name__)

DELIVER = 7_530_030
# Without a word of the bus, it is looked so often.
LOOK_SECONDS = 1.0
# One that is told everything moves on with the lake all the same, so that it never stands at a snapshot that is gone.
QUIET_MINUTES = 15
# Deliveries at the same moment; of one person fewer, so that nobody's slow receivers keep the others waiting.
AT_ONCE, AT_ONCE_EACH = 16, 4
# With more rows at once, a receiver reads the dataset again.
MOST_ROWS = 10_000
LONGEST_PAUSE = 600.0
# What the law refuses is asked again after so long; what broke here, sooner.
REFUSED_SECONDS, BROKEN_SECONDS = 600.0, 15.0
# Each look uses up a read of a quota that counts reads.
QUOTA_SECONDS = 3600.0

DUE = """
SELECT s.id, s.person FROM sharing_subscription s
LEFT JOIN catalog_dataset k ON k.name = s.dataset LEFT JOIN lake_dataset d ON d.name = k.contract
LEFT JOIN LATERAL (SELECT next_try FROM sharing_letter l WHERE l.subscription = s.id AND l.state = 'waiting'
                   ORDER BY number LIMIT 1) head ON true
WHERE (s.state = 'on' OR (s.state = 'stopped' AND s.next_try <= now()))
  AND CASE WHEN head.next_try IS NOT NULL THEN head.next_try <= now()
      ELSE d.snapshot > s.position OR d.name IS NULL OR s.looked < now() - make_interval(mins => %s) OR s.state = 'stopped' END
ORDER BY coalesce(head.next_try, s.looked)
"""
ONE = """
SELECT s.id, s.person, s.key, s.dataset, s.items, s.purpose, s.kind, s.target, s.secret, s.approved, s.position,
    l.number, l.id AS letter, l.after, l.snapshot, l.tries, l.created
FROM sharing_subscription s
LEFT JOIN LATERAL (SELECT * FROM sharing_letter l WHERE l.subscription = s.id AND l.state = 'waiting' ORDER BY number LIMIT 1) l ON true
WHERE s.id = %s AND s.state <> 'paused'
"""
TARGET = "SELECT dataset, kind, target, secret, approved, position FROM sharing_subscription WHERE id = %s"
TABLE = "SELECT contract FROM catalog_dataset WHERE name = %s AND contract IS NOT NULL"
WRITE = """
INSERT INTO sharing_letter (id, subscription, after, snapshot, rows, reload) VALUES (%s, %s, %s, %s, %s, %s)
RETURNING number, created
"""
TAKEN = """
UPDATE sharing_subscription SET position = greatest(position, %(to)s), looked = now(),
    deliveries = deliveries + %(deliveries)s, rows = rows + %(rows)s,
    delivered = CASE WHEN %(deliveries)s > 0 THEN now() ELSE delivered END,
    state = CASE WHEN state = 'stopped' THEN 'on' ELSE state END, cause = NULL, next_try = NULL
WHERE id = %(id)s
"""
FORGET = "DELETE FROM sharing_letter WHERE number = %s"
AGAIN = "UPDATE sharing_letter SET tries = tries + 1, tried = now(), next_try = now() + %s, cause = %s WHERE number = %s"
DEAD = "UPDATE sharing_letter SET state = 'dead', tries = tries + 1, tried = now(), cause = %s WHERE number = %s"
STOP = """
UPDATE sharing_subscription s SET state = 'stopped', cause = %(cause)s, next_try = now() + %(pause)s, changed = now()
FROM (SELECT id, state FROM sharing_subscription WHERE id = %(id)s FOR UPDATE) old
WHERE s.id = old.id AND old.state <> 'paused' RETURNING old.state
"""


@dataclass(frozen=True)
class _Letter:
    """A delivery at hand; `number` is its place in the table."""

    number: int
    id: str
    after: int
    snapshot: int
    tries: int
    made: datetime


@dataclass(frozen=True)
class _Turn:
    """A subscription whose turn it is, and the letter that waits for it."""

    id: int
    person: int
    key: int | None
    dataset: str
    items: tuple[str, ...]
    purpose: str
    address: Address
    position: int
    letter: _Letter | None


def due(city: City) -> list[tuple[int, int]]:
    """Subscriptions with something to deliver now, and whose they are; those that wait longest come first."""
    return [(int(row["id"]), int(row["person"])) for row in city.db.all(DUE, (QUIET_MINUTES,))]


def deliver(city: City, number: int) -> None:
    """Do what is next for a subscription: tell what changed, or try again what was not taken; what stops it is written down."""
    turn = _turn_of(city, number)
    if turn is None:
        return
    try:
        feed = _read(city, turn)
        if not feed.changes and not feed.reload:
            _note_taken(city, turn, turn.letter, feed, told=False)
            return
        letter = turn.letter or _write(city, turn, feed)
    except Unavailable as fault:
        _stop(city, turn, fault, BROKEN_SECONDS)
        return
    except SanquError as fault:
        _stop(city, turn, fault, QUOTA_SECONDS if fault.code == "sharing.quota" else REFUSED_SECONDS)
        return
    _send(city, turn, letter, feed)


def _turn_of(city: City, number: int) -> _Turn | None:
    row = city.db.one(ONE, (number,))
    if row is None:
        return None
    letter = _Letter(row["number"], row["letter"], row["after"], row["snapshot"], row["tries"], row["created"]) if row["number"] else None
    address = Address(row["kind"], row["target"], row["secret"], fenced=not row["approved"])
    return _Turn(
        row["id"], row["person"], row["key"], row["dataset"], tuple(row["items"]), row["purpose"], address, row["position"], letter
    )


def _read(city: City, turn: _Turn) -> Feed:
    """What is to be told, under the law of now, as the rows stand now; `reload` where that is too much, or too long ago."""
    asker = asker_now(city, turn.person, turn.key)
    after, until = (turn.letter.after, turn.letter.snapshot) if turn.letter else (turn.position, None)
    newest = lake_of(city).newest()
    try:
        return read_feed(
            city, asker, turn.dataset, after, purpose=turn.purpose, items=turn.items, upto=newest, until=until, most=MOST_ROWS,
            via=turn.address.kind,
        )  # fmt: skip
    except BadInput as fault:
        if fault.code != "feed.expired":
            raise
        return Feed(turn.dataset, after, newest if until is None else until, (), True)


def _write(city: City, turn: _Turn, feed: Feed) -> _Letter:
    """Write down what is about to leave, so that it leaves under the same id whoever sends it."""
    id_ = "msg_" + secrets.token_urlsafe(18)
    with city.db.connection() as conn:
        row = conn.execute(WRITE, (id_, turn.id, feed.after, feed.snapshot, len(feed.changes), feed.reload)).fetchone()
    assert row is not None
    return _Letter(int(row["number"]), id_, feed.after, feed.snapshot, 0, row["created"])


def _send(city: City, turn: _Turn, letter: _Letter, feed: Feed) -> None:
    kind = "dataset.reload" if feed.reload else "dataset.changed"
    trace, span = _begin_trace(city, turn, feed)
    try:
        post_of(city).send(turn.address, Message(letter.id, kind, letter.made, feed, trace))
    except Unavailable as fault:
        if letter.tries + 1 >= city.settings.subscription_tries:
            _give_up(city, turn, letter, fault)
        else:
            _try_again(city, letter, fault)
    except SanquError as fault:
        # Shut, gone, or a line's: trying again by itself would not help, but a name may lead elsewhere later.
        _stop(city, turn, fault, None if fault.code == "subscriptions.gone" else REFUSED_SECONDS)
    else:
        _note_taken(city, turn, letter, feed, told=True)
    finally:
        if span is not None:
            span.end()


def _begin_trace(city: City, turn: _Turn, feed: Feed) -> tuple[str, Any]:
    """The trace of the newest row that is told, as it goes on from here; none for rows that no line brought."""
    row = city.db.one(TABLE, (turn.dataset,))
    given, at = trace_between(city, str(row["contract"]), feed.after, feed.snapshot) if row else ("", None)
    if not given or at is None:
        return "", None
    return tracer_of(city).begin("deliver", given, int(at.timestamp() * 1000), dataset=turn.dataset, via=turn.address.kind)


def _note_taken(city: City, turn: _Turn, letter: _Letter | None, feed: Feed, *, told: bool) -> None:
    with city.db.connection() as conn:
        conn.execute(TAKEN, {"id": turn.id, "to": feed.snapshot, "deliveries": int(told), "rows": len(feed.changes)})
        if letter is not None:
            conn.execute(FORGET, (letter.number,))


def send_test(city: City, number: int) -> None:
    """Send an empty delivery of type `subscription.test` now, to see whether the receiver takes it; raises as `Post.send`."""
    row = city.db.one(TARGET, (number,))
    if row is None:
        return
    address = Address(row["kind"], row["target"], row["secret"], fenced=not row["approved"])
    feed = Feed(str(row["dataset"]), int(row["position"]), int(row["position"]))
    post_of(city).send(address, Message("msg_test_" + secrets.token_urlsafe(12), "subscription.test", now(), feed))


def pause_after(tries: int, first: float, chance: float) -> float:
    """Seconds until the next try after `tries` that failed: doubled each time up to ten minutes, `chance` (0–1) spreads it."""
    return min(LONGEST_PAUSE, first * 2.0 ** min(tries - 1, 20)) * (0.8 + 0.4 * chance)


def _try_again(city: City, letter: _Letter, fault: SanquError) -> None:
    pause = pause_after(letter.tries + 1, city.settings.subscription_pause, random.random())
    asked = fault.facts.get("retry_after")
    pause = max(pause, float(asked)) if isinstance(asked, int | float) else pause
    with city.db.connection() as conn:
        conn.execute(AGAIN, (timedelta(seconds=pause), Jsonb(fault.record()), letter.number))


def _give_up(city: City, turn: _Turn, letter: _Letter, fault: SanquError) -> None:
    """A dead letter: kept to be looked at and sent again; the subscription goes on behind it."""
    with city.db.connection() as conn:
        conn.execute(DEAD, (Jsonb(fault.record()), letter.number))
        conn.execute(TAKEN, {"id": turn.id, "to": letter.snapshot, "deliveries": 0, "rows": 0})
        facts = {"subscription": turn.id, "letter": letter.id, "cause": fault.code}
        append(conn, kind="sharing.dead-letter", actor="system", subject=f"dataset:{turn.dataset}", facts=facts)


def _stop(city: City, turn: _Turn, fault: SanquError, pause: float | None) -> None:
    """Stopped, with the cause and when it is tried again (never by itself for None); the ledger says so once."""
    wanted = {"id": turn.id, "cause": Jsonb(fault.record()), "pause": None if pause is None else timedelta(seconds=pause)}
    with city.db.connection() as conn:
        row = conn.execute(STOP, wanted).fetchone()
        if row is not None and row["state"] == "on":
            facts = {"subscription": turn.id, "cause": fault.code}
            append(conn, kind="sharing.subscription-stopped", actor="system", subject=f"dataset:{turn.dataset}", facts=facts)


def _broke(number: int, fault: Exception) -> Unavailable:
    return Unavailable(
        "subscriptions.broke",
        Text(zh=f"推送时出错：{type(fault).__name__}", en=f"Delivering broke: {type(fault).__name__}"),
        Text(zh="会自动再试；日志里有详情", en="It is tried again by itself; the log has the details"),
        str(number),
    )


class Deliverer:
    """Delivers for this process: woken by every commit to the lake, each subscription one process's at a time."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._wake, self._closing = threading.Event(), threading.Event()
        self._going: dict[int, tuple[int, Future[None]]] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, "sanqu-deliver")
        self._threads = [threading.Thread(target=work, name="sanqu-deliverer", daemon=True) for work in (self._follow, self._listen)]

    def start(self) -> None:
        """Deliver from now on."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Finish what is under way and stop."""
        self._closing.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(self._city.settings.subscription_timeout + 5)
        self._pool.shutdown(wait=False)

    def _follow(self) -> None:
        while not self._closing.is_set():
            try:
                with self._city.db.own_connection() as conn:
                    locks = Locks(conn)
                    while not self._closing.is_set():
                        locks.check()
                        self._begin(locks)
                        self._wake.wait(LOOK_SECONDS)
                        self._wake.clear()
            except (psycopg.Error, SanquError) as fault:
                log.warning("subscriptions wait: %s", fault)
                self._closing.wait(1.0)
            finally:
                # The locks went with the connection: what is under way ends before they are taken again.
                wait([future for _, future in self._going.values()])
                self._going.clear()

    def _begin(self, locks: Locks) -> None:
        for number, (_, future) in list(self._going.items()):
            if future.done():
                del self._going[number]
                locks.give(DELIVER, str(number))
        busy = Counter(person for person, _ in self._going.values())
        for number, person in due(self._city):
            if len(self._going) >= AT_ONCE:
                return
            if number not in self._going and busy[person] < AT_ONCE_EACH and locks.take(DELIVER, str(number)):
                busy[person] += 1
                self._going[number] = (person, self._pool.submit(self._deliver, number))

    def _deliver(self, number: int) -> None:
        try:
            deliver(self._city, number)
        except Exception as fault:
            log.exception("subscription %s broke", number)
            turn = _turn_of(self._city, number)
            if turn is not None:
                _stop(self._city, turn, _broke(number, fault), BROKEN_SECONDS)
        finally:
            self._wake.set()

    def _listen(self) -> None:
        asyncio.run(self._hear())

    async def _hear(self) -> None:
        tasks = [asyncio.create_task(self._hear_topic(topic)) for topic in ("lake.write.>", WAKE)]
        while not self._closing.is_set():
            await asyncio.sleep(0.2)
        await end(*tasks)

    async def _hear_topic(self, topic: str) -> None:
        while True:
            try:
                async for _ in self._city.bus.subscribe(topic):
                    self._wake.set()
            except Exception:
                log.debug("the bus is away", exc_info=True)
            await asyncio.sleep(0.5)


@contextmanager
def delivering(city: City) -> Iterator[None]:
    """Deliver for as long as the `with` lasts."""
    deliverer = Deliverer(city)
    deliverer.start()
    try:
        yield
    finally:
        deliverer.close()
