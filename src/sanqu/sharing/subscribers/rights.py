"""Who a subscription reads for, looked up anew each time, and where it may send to."""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import urlsplit

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, Conflict, Refused
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.persons import asker_for
from sanqu.lines.sources.reach import fence_of
from sanqu.sharing.subscribers.records import Wish

# Everything else on the bus is the city's own or a line's.
SUBJECT = re.compile(r"out(\.[A-Za-z0-9_-]{1,64}){1,8}")
PORTS = {"http": 80, "https": 443}
KEY_WORKS = "SELECT 1 FROM api_key WHERE id = %s AND revoked IS NULL AND (expires IS NULL OR expires > now())"
SUBJECT_TAKEN = "SELECT 1 FROM sharing_subscription WHERE kind = 'nats' AND target = %s AND person <> %s"


def asker_now(city: City, person: int, key: int | None) -> Asker:
    """The asker that the subscriber is now, with the roles of now; raises `Refused` for one who is closed or whose key is."""
    with city.db.connection() as conn:
        asker = asker_for(conn, person, key)
        works = key is None or conn.execute(KEY_WORKS, (key,)).fetchone() is not None
    if asker is None or not works:
        raise Refused(
            "subscriptions.nobody",
            Text(zh="订阅人的账号或密钥已停用", en="The subscriber's account or key works no more"),
            Text(zh="由在用的账号另建订阅", en="Have somebody whose account works make another subscription"),
            f"user:{person}",
        )
    return asker


def refuse_target(city: City, asker: Asker, wish: Wish) -> None:
    """Raises `BadInput` for a target that cannot be, `Refused` or `Conflict` for one that this asker may not send to."""
    if wish.kind == "webhook":
        _refuse_address(city, asker, wish.target)
    else:
        _refuse_subject(city, asker, wish.target)


def _refuse_address(city: City, asker: Asker, url: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in PORTS or not parts.hostname or parts.username is not None or parts.fragment:
        raise BadInput(
            "subscriptions.address",
            Text(zh="推送网址不合规", en="The address to deliver to does not fit"),
            Text(zh="写 https:// 或 http:// 开头的网址，不带用户名和 #", en="Give an address with https:// or http://, without a user or #"),
            url[:200],
        )
    if not asker.is_admin:
        # A name that leads nowhere now is judged at each delivery.
        with suppress(OSError):
            fence_of(city).addresses(parts.hostname, port)


def _refuse_subject(city: City, asker: Asker, subject: str) -> None:
    if SUBJECT.fullmatch(subject) is None:
        raise BadInput(
            "subscriptions.subject",
            Text(zh="推送主题不合规", en="The subject to deliver to does not fit"),
            Text(zh="写 out. 开头的主题，例如 out.traffic.roads", en="Give a subject that begins with out. such as out.traffic.roads"),
            subject[:200],
        )
    if not asker.is_staff:
        raise Refused(
            "subscriptions.staff-only",
            Text(zh="总线上的主题只给工作人员", en="Subjects on the bus are for staff"),
            Text(zh="改用 webhook", en="Use a webhook"),
            subject,
        )
    if city.db.one(SUBJECT_TAKEN, (subject, asker.user_id)) is not None:
        raise Conflict(
            "subscriptions.subject-taken",
            Text(zh="这个主题已有别人在用", en="Somebody else already delivers to this subject"),
            Text(zh="换一个主题", en="Use another subject"),
            subject,
        )
