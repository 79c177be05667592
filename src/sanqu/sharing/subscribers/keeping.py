"""Keeps subscriptions and their letters in PostgreSQL: made, paused, resumed, ended; how each stands."""

from __future__ import annotations

import base64
import secrets
from typing import Any
from urllib.parse import urlsplit

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.lake import lake_of
from sanqu.lake.upkeep import needs_snapshots
from sanqu.sharing.feed import read_feed
from sanqu.sharing.subscribers.records import Letter, Subscription, Wish
from sanqu.sharing.subscribers.rights import refuse_target

KIND = Text(zh="订阅", en="subscription")
# What is said on the bus when there is something to deliver beside what the lake tells.
WAKE = "sharing.subscriptions"
# Of one person.
MOST_EACH = 100
# For so long snapshots are kept for one that stands still; after that it is told to read the dataset again.
KEEP_DAYS = 7

ADD = """
INSERT INTO sharing_subscription (person, key, dataset, items, purpose, kind, target, secret, approved, position)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
"""
HOW_MANY = "SELECT count(*) AS n FROM sharing_subscription WHERE person = %s"
FOUND = """
FROM sharing_subscription s JOIN person p ON p.id = s.person
WHERE (%(id)s::bigint IS NULL OR s.id = %(id)s) AND (%(person)s::bigint IS NULL OR s.person = %(person)s)
  AND (%(dataset)s::text IS NULL OR s.dataset = %(dataset)s) AND (%(state)s::text IS NULL OR s.state = %(state)s)
  AND (%(datasets)s::text[] IS NULL OR s.dataset = ANY(%(datasets)s))
"""
LIST = f"""
WITH chosen AS (SELECT s.*, p.name AS who {FOUND} ORDER BY s.id DESC LIMIT %(limit)s OFFSET %(offset)s)
SELECT s.id, s.person, s.who, s.key, s.dataset, s.items, s.purpose, s.kind, s.target, s.approved, s.state,
    coalesce(s.cause, head.cause) AS cause, coalesce(s.next_try, head.next_try) AS next_try, s.position,
    coalesce(head.tries, 0) AS tries, s.deliveries, s.rows,
    (SELECT count(*) FROM sharing_letter l WHERE l.subscription = s.id AND l.state = 'dead') AS dead,
    (SELECT cause FROM sharing_letter l WHERE l.subscription = s.id AND l.state = 'dead' ORDER BY number DESC LIMIT 1) AS last_fault,
    s.delivered, s.created, d.name AS behind
FROM chosen s
LEFT JOIN LATERAL (SELECT cause, next_try, tries FROM sharing_letter l
                   WHERE l.subscription = s.id AND l.state = 'waiting' AND l.tries > 0 ORDER BY number LIMIT 1) head ON true
LEFT JOIN catalog_dataset k ON k.name = s.dataset
LEFT JOIN lake_dataset d ON d.name = k.contract AND d.snapshot > s.position
ORDER BY s.id DESC
"""
COUNT = f"SELECT count(*) AS n {FOUND}"
SET_STATE = """
UPDATE sharing_subscription SET state = %s, cause = NULL, next_try = NULL, changed = now() WHERE id = %s
"""
HURRY = "UPDATE sharing_letter SET next_try = now() WHERE subscription = %s AND state = 'waiting'"
APPROVE = "UPDATE sharing_subscription SET approved = %s, changed = now() WHERE id = %s"
DELETE = "DELETE FROM sharing_subscription WHERE id = %s"
LETTERS = """
SELECT number, id, subscription, after, snapshot, rows, reload, state, tries, next_try, cause, created, tried
FROM sharing_letter WHERE subscription = %s AND state = %s ORDER BY number LIMIT %s OFFSET %s
"""
REPLAY = """
UPDATE sharing_letter SET state = 'waiting', tries = 0, next_try = now(), cause = NULL
WHERE subscription = %(subscription)s AND state = 'dead' AND (%(letter)s::text IS NULL OR id = %(letter)s) RETURNING id
"""
DROP = "DELETE FROM sharing_letter WHERE subscription = %s AND state = 'dead' AND id = %s RETURNING id"
# One that was told everything needs nothing older; one that nobody mends within some days is told to read again.
STANDS = """
SELECT least(
    (SELECT min(s.position) FROM sharing_subscription s JOIN catalog_dataset k ON k.name = s.dataset
     JOIN lake_dataset d ON d.name = k.contract
     WHERE d.snapshot > s.position AND (s.state = 'on' OR s.changed > now() - make_interval(days => %(days)s))),
    (SELECT min(l.after) FROM sharing_letter l WHERE l.created > now() - make_interval(days => %(days)s))) AS at
"""


@needs_snapshots
def _stands_at(city: City) -> int | None:
    row = city.db.one(STANDS, {"days": KEEP_DAYS})
    return None if row is None or row["at"] is None else int(row["at"])


def subscribe(city: City, asker: Asker, wish: Wish) -> tuple[int, str]:
    """Make a subscription in the asker's name; returns its number and the secret that its deliveries are signed with.

    Raises as `read_feed` where the asker may not read the dataset, as `refuse_target` for where it should go, `BadInput`
    for a snapshot that is not there yet, `Conflict` when the asker has as many as one may have.
    """
    start = read_feed(city, asker, wish.dataset, None, purpose=wish.purpose, items=wish.items).snapshot
    refuse_target(city, asker, wish)
    if wish.after is not None and wish.after > start:
        raise BadInput(
            "subscriptions.after",
            Text(zh=f"快照 {wish.after} 还不存在", en=f"There is no snapshot {wish.after} yet"),
            Text(zh=f"最新的是 {start}", en=f"The newest is {start}"),
            wish.dataset,
        )
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    approved = asker.label if asker.is_admin else ""
    position = start if wish.after is None else wish.after
    with city.db.connection() as conn:
        _refuse_many(conn, asker)
        values = (asker.user_id, asker.key_id, wish.dataset, list(wish.items), wish.purpose, wish.kind, wish.target, secret, approved, position)
        row = conn.execute(ADD, values).fetchone()
        assert row is not None
        facts = {"kind": wish.kind, "target": place_of(wish.target), "items": list(wish.items), "purpose": wish.purpose, "subscription": row["id"]}
        append(conn, kind="sharing.subscribe", actor=asker.label, subject=f"dataset:{wish.dataset}", facts=facts)
    return int(row["id"]), secret if wish.kind == "webhook" else ""


def _refuse_many(conn: Connection, asker: Asker) -> None:
    row = conn.execute(HOW_MANY, (asker.user_id,)).fetchone()
    if row is not None and int(row["n"]) >= MOST_EACH:
        raise Conflict(
            "subscriptions.many",
            Text(zh=f"一个人至多 {MOST_EACH} 个订阅", en=f"One person has at most {MOST_EACH} subscriptions"),
            Text(zh="先删去不用的", en="Delete those not needed first"),
        )


def subscriptions_of(
    city: City, *, person: int | None = None, dataset: str | None = None, state: str | None = None, only: int | None = None,
    datasets: list[str] | None = None, limit: int | None = 50, offset: int = 0,
) -> list[Subscription]:  # fmt: skip
    """Subscriptions as they stand, the newest first: of one person, of one dataset or some, in one state, or that one only."""
    wanted = {"id": only, "person": person, "dataset": dataset, "datasets": datasets, "state": state, "limit": limit, "offset": offset}
    return [_seen(city, row) for row in city.db.all(LIST, wanted)]


def count_subscriptions(city: City, *, person: int | None = None, dataset: str | None = None, state: str | None = None) -> int:
    """How many there are."""
    row = city.db.one(COUNT, {"id": None, "person": person, "dataset": dataset, "datasets": None, "state": state})
    return int(row["n"]) if row else 0


def _seen(city: City, row: dict[str, Any]) -> Subscription:
    behind = row.pop("behind")
    since = lake_of(city).changed_since(str(behind), int(row["position"])) if behind else None
    lag = max(0.0, (now() - since).total_seconds()) if since else 0.0
    return Subscription(**{**row, "items": tuple(row["items"]), "lag": lag})


def subscription_of(city: City, asker: Asker, number: int) -> Subscription:
    """The asker's own subscription, or anybody's for an administrator; raises `NotFound` for all others."""
    found = subscriptions_of(city, only=number)
    if not found or not (asker.is_admin or found[0].person == asker.user_id):
        raise not_found(KIND, str(number))
    return found[0]


def pause(city: City, asker: Asker, number: int) -> Subscription:
    """Deliver nothing until it is resumed; raises `NotFound`."""
    return _set_state(city, asker, number, "paused")


def resume(city: City, asker: Asker, number: int) -> Subscription:
    """Go on where it stands, at once; raises `NotFound`."""
    return _set_state(city, asker, number, "on")


def _set_state(city: City, asker: Asker, number: int, state: str) -> Subscription:
    one = subscription_of(city, asker, number)
    with city.db.connection() as conn:
        conn.execute(SET_STATE, (state, number))
        if state == "on":
            conn.execute(HURRY, (number,))
        _note(conn, asker, one, "sharing.subscription-state", state=state)
    wake(city)
    return subscription_of(city, asker, number)


def approve(city: City, asker: Asker, number: int) -> Subscription:
    """Let a subscription reach what is shut to all but administrators; raises `Refused` for others, `NotFound`."""
    one = subscription_of(city, asker, number)
    if not asker.is_admin:
        raise Refused(
            "subscriptions.approve",
            Text(zh="只有管理员可以批准推送目标", en="Only an administrator may approve where a subscription delivers to"),
            Text(zh="请管理员代办", en="Ask an administrator"),
            str(number),
        )
    with city.db.connection() as conn:
        conn.execute(APPROVE, (asker.label, number))
        _note(conn, asker, one, "sharing.subscription-approve", target=place_of(one.target))
    return _set_state(city, asker, number, "on") if one.state == "stopped" else subscription_of(city, asker, number)


def unsubscribe(city: City, asker: Asker, number: int) -> None:
    """End a subscription and forget its letters; raises `NotFound`."""
    one = subscription_of(city, asker, number)
    with city.db.connection() as conn:
        conn.execute(DELETE, (number,))
        _note(conn, asker, one, "sharing.unsubscribe")


def dead_letters(city: City, asker: Asker, number: int, limit: int = 50, offset: int = 0) -> list[Letter]:
    """Deliveries that were given up, the oldest first; raises `NotFound`."""
    subscription_of(city, asker, number)
    return [Letter(**row) for row in city.db.all(LETTERS, (number, "dead", limit, offset))]


def replay(city: City, asker: Asker, number: int, letter: str | None = None) -> int:
    """Deliver a dead letter again, or all; returns how many. Raises `NotFound`."""
    one = subscription_of(city, asker, number)
    with city.db.connection() as conn:
        ids = [str(row["id"]) for row in conn.execute(REPLAY, {"subscription": number, "letter": letter}).fetchall()]
        if letter is not None and not ids:
            raise not_found(Text(zh="死信", en="dead letter"), letter)
        _note(conn, asker, one, "sharing.subscription-replay", letters=ids[:100], count=len(ids))
    wake(city)
    return len(ids)


def drop_letter(city: City, asker: Asker, number: int, letter: str) -> None:
    """Forget a dead letter; raises `NotFound`."""
    one = subscription_of(city, asker, number)
    with city.db.connection() as conn:
        if conn.execute(DROP, (number, letter)).fetchone() is None:
            raise not_found(Text(zh="死信", en="dead letter"), letter)
        _note(conn, asker, one, "sharing.subscription-drop", letters=[letter])


def wake(city: City) -> None:
    """Tell whoever delivers that there is something to do."""
    city.bus.publish(WAKE, {})


def _note(conn: Connection, asker: Asker, one: Subscription, kind: str, **facts: object) -> None:
    append(conn, kind=kind, actor=asker.label, subject=f"dataset:{one.dataset}", facts={"subscription": one.id, **facts})




def place_of(target: str) -> str:
    """A target without what may be a secret in it: the host of an address, a subject as it is."""
    return urlsplit(target).hostname or target


def names_of(said: str) -> tuple[str, ...]:
    """Items out of a text with commas between them."""
    return tuple(part.strip() for part in said.replace("，", ",").split(",") if part.strip())
