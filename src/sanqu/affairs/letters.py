"""Letters between cities (跨省通办): sealed with the sender's key, sent until the other city has taken them, each once.

A letter is JSON of three texts: `head`, canonical JSON with sender, receiver, number, kind, moment and the SHA-256 of the body; `body`, canonical
JSON; `signature`, over the head, by the key that the receiver has pinned.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from psycopg.types.json import Jsonb

from sanqu.affairs.records import ELSEWHERE
from sanqu.cases.timers import send_message
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused, SanquError, Unavailable
from sanqu.ground.facts import fact
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import defer, job
from sanqu.ground.ledger import append
from sanqu.ground.ledger.checkpoint import SUITES, Suite, signer_of
from sanqu.ground.ledger.log import canonical
from sanqu.ground.people.askers import SYSTEM
from sanqu.sharing.subscribers.deliver import pause_after

log = logging.getLogger(__name__)

# What the signature is over begins with this: the key signs checkpoints and certificates too.
CONTEXT = b"sanqu/affairs/letter\n"
PLACE = "/api/affairs/cross/letters"
# Photos of a filing go along, in base64.
LARGEST = 48_000_000
LARGEST_ANSWER = 4_000_000
# While one process tells a letter, no other takes it up.
HELD = timedelta(minutes=3)
# A letter that the other city refuses for good moves the case that waits for it.
MOVES = {"filing": "refused", "amended": "asked-more"}

PUT = """
INSERT INTO affairs_letter (number, partner, filing, kind, letter, made, next_try) VALUES (%(number)s, %(partner)s, %(filing)s, %(kind)s, %(letter)s, %(at)s, %(at)s)
"""
# The letters about one filing go in the order in which they were written.
CLAIM = """
UPDATE affairs_letter l SET tries = l.tries + 1, next_try = %(until)s FROM affairs_partner p
WHERE p.code = l.partner AND l.number = (
    SELECT l.number FROM affairs_letter l JOIN affairs_partner p ON p.code = l.partner
    WHERE l.state = 'waiting' AND l.next_try <= %(at)s AND p.active AND l.partner <> ALL(%(away)s)
      AND NOT EXISTS (SELECT 1 FROM affairs_letter b WHERE b.filing = l.filing AND b.state = 'waiting' AND b.position < l.position)
    ORDER BY l.position LIMIT 1 FOR UPDATE OF l SKIP LOCKED)
RETURNING l.number, l.partner, l.filing, l.kind, l.letter, l.tries, p.address, p.suite, p.key
"""
AGAIN = "UPDATE affairs_letter SET next_try = %s, cause = %s WHERE number = %s"
SETTLED = "UPDATE affairs_letter SET state = %s, settled = %s, cause = %s, letter = NULL WHERE number = %s"
NUMBERED = "UPDATE affairs_filing SET city_number = %s WHERE number = %s"


@dataclass(frozen=True)
class Letter:
    """A letter whose seal was checked."""

    sender: str
    receiver: str
    number: str
    kind: str
    made: datetime
    digest: str
    body: Mapping[str, Any]


def own_code(city: City) -> str:
    """The code of this city, such as `3308`; empty before a pack names it, and no partner believes such a city."""
    return str(fact(city, "city", {}).get("code") or "")


def seal(city: City, receiver: str, kind: str, number: str, body: Mapping[str, Any], at: datetime) -> str:
    """A letter as it goes over the wire, signed with the city's key; `receiver` is empty for what everybody may read."""
    text = canonical(body)
    head = canonical({
        "sender": own_code(city), "receiver": receiver, "number": number, "kind": kind, "made": at.isoformat(),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    })  # fmt: skip
    signed = signer_of(city).keys.sign(CONTEXT + head.encode())
    return json.dumps({"head": head, "body": text, "signature": base64.b64encode(signed).decode()}, ensure_ascii=False)


def sender_of(said: Any) -> str:
    """Who says to have sent a letter, before anything is believed of it; raises `BadInput` for what is no letter."""
    return str(_head_of(said)["sender"])


def _head_of(said: Any) -> dict[str, Any]:
    try:
        head = json.loads(said["head"])
        if not isinstance(head, dict) or not {"sender", "receiver", "number", "kind", "made", "sha256"} <= head.keys():
            raise ValueError("not a head")
        return head
    except (KeyError, TypeError, ValueError, RecursionError) as fault:
        raise _no_letter() from fault


def _no_letter() -> BadInput:
    return BadInput(
        "affairs.letter", Text(zh="这不是城市之间的信件", en="This is no letter between cities"),
        Text(zh="核对地址，两边用同样的版本", en="Check the address, and that both run the same version"),
    )  # fmt: skip


def unseal(said: Any, suite: Suite, key: bytes) -> Letter:
    """The letter whose seal is by `key`; raises `BadInput` for what is no letter and `Refused` for a seal that does not fit."""
    head = _head_of(said)
    try:
        body, signature = str(said["body"]), base64.b64decode(said["signature"], validate=True)
        made = datetime.fromisoformat(str(head["made"]))
        if made.tzinfo is None:
            raise ValueError("a moment without its zone")
        signed = CONTEXT + str(said["head"]).encode()
        digest = hashlib.sha256(body.encode()).hexdigest()
    except (KeyError, TypeError, ValueError) as fault:
        raise _no_letter() from fault
    if not suite.verifies(key, signed, signature):
        raise refused("signature", "签名不是登记的公钥签的", "The signature is not by the key that was pinned")
    if digest != head["sha256"]:
        raise refused("body", "内容与签名的摘要不符", "The body is not the one that was signed")
    try:
        read = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise _no_letter() from fault
    if not isinstance(read, dict):
        raise _no_letter()
    return Letter(str(head["sender"]), str(head["receiver"]), str(head["number"])[:80], str(head["kind"])[:40], made, digest, read)


def refused(reason: str, zh: str, en: str) -> Refused:
    """The error for a letter that is not believed; `reason` is the word that the ledger keeps."""
    return Refused(
        f"affairs.letter-{reason}", Text(zh=zh, en=en),
        Text(zh="两市管理员核对城市代码、地址和公钥", en="Administrators of both cities check codes, addresses and keys"), facts={"reason": reason},
    )  # fmt: skip


def put_letter(city: City, conn: Connection, partner: str, filing: str, kind: str, body: Mapping[str, Any], at: datetime) -> str:
    """Write a letter about a filing, in the caller's transaction; it leaves once that commits. Returns its number."""
    number = secrets.token_hex(16)
    letter = seal(city, partner, kind, number, body, at)
    conn.execute(PUT, {"number": number, "partner": partner, "filing": filing, "kind": kind, "letter": letter, "at": at})
    append(conn, kind="affairs.letter", actor="system", subject=f"filing:{filing}", facts={"to": partner, "kind": kind, "letter": number})
    defer(conn, "affairs.letters", once="affairs.letters")
    return number


@job("affairs.letters", every="* * * * *")
def send_letters(city: City, *, at: datetime | None = None) -> int:
    """Send what is due; returns how many letters were taken. A city that is away is tried again later, with growing pauses."""
    at, taken, away = at or now(), 0, list[str]()
    while (row := _claim(city, at, away)) is not None:
        try:
            answer = _tell(city, row)
        except (SanquError, httpx.HTTPError) as fault:
            away.append(str(row["partner"]))
            _try_again(city, row, fault, at)
            continue
        _settle(city, row, answer, at)
        taken += answer.kind == "taken"
    return taken


def _claim(city: City, at: datetime, away: list[str]) -> dict[str, Any] | None:
    with city.db.connection() as conn:
        return conn.execute(CLAIM, {"at": at, "until": at + HELD, "away": away}).fetchone()


def _tell(city: City, row: Mapping[str, Any]) -> Letter:
    """The other city's signed answer; raises `httpx.HTTPError` where it is away, `SanquError` where it is not believed or does not take it."""
    said = call(city, "POST", f"{row['address']}{PLACE}", str(row["letter"]))
    answer = unseal(said, SUITES[row["suite"]], bytes(row["key"]))
    if (answer.sender, answer.receiver, answer.number) != (row["partner"], own_code(city), row["number"]) or answer.kind not in ("taken", "refused"):
        raise refused("answer", "答复不是对这封信的", "The answer is not to this letter")
    return answer


def call(city: City, method: str, url: str, content: str | None = None) -> Any:
    """Ask a partner and read its JSON. Its address is what an administrator keeps, so it may lie in the government's own network.

    Raises `Unavailable` for an answer that is none, and `httpx.HTTPError` where it cannot be reached.
    """
    headers = {"content-type": "application/json", "user-agent": "Sanqu-Affairs/1"}
    with (
        httpx.Client(timeout=city.settings.subscription_timeout, follow_redirects=False, trust_env=False) as client,
        client.stream(method, url, content=content.encode() if content is not None else None, headers=headers) as answer,
    ):
        read = bytearray()
        for part in answer.iter_bytes():
            read += part
            if len(read) > LARGEST_ANSWER:
                raise not_taken(answer.status_code, "too-long")
        if not answer.is_success:
            raise not_taken(answer.status_code, _code_of(bytes(read)))
        try:
            return json.loads(read)
        except (ValueError, RecursionError) as fault:
            raise not_taken(answer.status_code, "no-json") from fault


def _code_of(read: bytes) -> str:
    """The code of a problem (RFC 9457) in an answer; empty where it is none."""
    try:
        said = json.loads(read)
    except (ValueError, RecursionError):
        return ""
    return str(said.get("code", ""))[:80] if isinstance(said, dict) else ""


def not_taken(status: int, why: str) -> Unavailable:
    """The error for a city that answers something else than was asked."""
    return Unavailable(
        "affairs.not-taken",
        Text(zh=f"对方城市回答 HTTP {status}" + (f"（{why}）" if why else ""), en=f"The other city answered HTTP {status}" + (f" ({why})" if why else "")),
        Text(zh="请对方管理员核对本市的登记；会自动再试", en="Ask its administrator to look at how this city is kept there; it is tried again by itself"),
        facts={"status": status, "code": why},
    )  # fmt: skip


def cause_of(fault: SanquError | httpx.HTTPError) -> dict[str, object]:
    """What went wrong, as the partners' page shows it."""
    if isinstance(fault, SanquError):
        return fault.record()
    kind = type(fault).__name__
    return Unavailable(
        "affairs.not-reached", Text(zh=f"到不了对方城市：{kind}", en=f"The other city cannot be reached: {kind}"),
        Text(zh="会自动再试；核对地址和网络", en="It is tried again by itself; check the address and the network"),
    ).record()  # fmt: skip


def _try_again(city: City, row: Mapping[str, Any], fault: SanquError | httpx.HTTPError, at: datetime) -> None:
    pause = pause_after(int(row["tries"]), city.settings.subscription_pause, random.random())
    with city.db.connection() as conn:
        conn.execute(AGAIN, (at + timedelta(seconds=pause), Jsonb(cause_of(fault)), row["number"]))


def _settle(city: City, row: Mapping[str, Any], answer: Letter, at: datetime) -> None:
    """What was taken is forgotten; what was refused for good moves the case that waits for it, with the other city's words."""
    cause = answer.body.get("cause") if answer.kind == "refused" else None
    with city.db.connection() as conn:
        conn.execute(SETTLED, (answer.kind, at, Jsonb(cause) if cause else None, row["number"]))
        if answer.kind == "taken" and row["kind"] == "filing":
            conn.execute(NUMBERED, (str(answer.body.get("filing", ""))[:40], row["filing"]))
        heard = MOVES.get(row["kind"]) if answer.kind == "refused" else None
        if heard:
            what = Text.model_validate((cause or {}).get("what") or "")
            try:
                with conn.transaction():
                    send_message(city, SYSTEM, row["filing"], ELSEWHERE, {"heard": heard, "note": what.zh[:1000]}, conn=conn, at=at)
            except Conflict:
                # It was withdrawn meanwhile.
                log.info("the case %s no longer waits", row["filing"])
