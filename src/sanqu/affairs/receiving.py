"""Takes the letters of partner cities (跨省通办): believed only by the pinned key, each done once, answered under seal."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sanqu.affairs.catalogue import ALONE, catalogue_of
from sanqu.affairs.filing import ID_NUMBER, New, keep_amended, keep_filing
from sanqu.affairs.held import NOTHING
from sanqu.affairs.letters import Letter, own_code, refused, seal, sender_of, unseal
from sanqu.affairs.materials import check
from sanqu.affairs.moves import ACCEPTED
from sanqu.affairs.partners import find_partner
from sanqu.affairs.records import COLUMNS, ELSEWHERE, OPEN, Filing, filing_from
from sanqu.cases.files import keep_file, read_photo
from sanqu.cases.notices import tell
from sanqu.cases.timers import send_message
from sanqu.cases.work import withdraw_case
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, at_moment, now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, NotFound, SanquError, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import SYSTEM
from sanqu.sharing.my_data import Identity

log = logging.getLogger(__name__)

FIRST = "INSERT INTO affairs_taken (sender, number, kind, digest, at) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING number"
BEFORE = "SELECT digest, kind, answer FROM affairs_taken WHERE sender = %s AND number = %s"
ANSWERED = "UPDATE affairs_taken SET answer = %s WHERE sender = %s AND number = %s"
SENT_BY_US = f"SELECT {COLUMNS} FROM affairs_filing f WHERE f.number = %s AND f.city = %s FOR UPDATE OF f"
SENT_BY_THEM = f"SELECT {COLUMNS} FROM affairs_filing f WHERE f.origin_number = %s AND f.origin = %s FOR UPDATE OF f"
KEEP_CERTIFICATE = """
INSERT INTO affairs_certificate_away (partner, number, filing, code, text, signature, at) VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""
CASE = "SELECT id FROM case_case WHERE number = %s"
MOST_CERTIFICATES = 20


@dataclass(frozen=True)
class Hand:
    """A letter at hand, in its transaction."""

    city: City
    conn: Connection
    letter: Letter
    at: datetime

    def text(self, name: str, most: int = 1000) -> str:
        """A text of the body, cut to what is kept; raises `BadInput` where there is none."""
        said = self.letter.body.get(name)
        if not isinstance(said, str):
            raise _unfit(name)
        return said.replace("\0", "")[:most]

    def object(self, name: str) -> dict[str, Any]:
        """An object of the body; raises `BadInput` where there is none."""
        said = self.letter.body.get(name)
        if not isinstance(said, dict):
            raise _unfit(name)
        return said


def take_letter(city: City, said: Any, *, at: datetime | None = None) -> str:
    """Take a letter and return the sealed answer: `taken`, or `refused` with the cause for one that cannot be done as it is.

    Raises `BadInput` for what is no letter and `Refused` for one that is not believed; the ledger notes which rule it broke, and
    nothing of what it says.
    """
    at = at or now()
    try:
        letter = _believed(city, said)
    except SanquError as fault:
        with city.db.connection() as conn:
            append(conn, kind="affairs.letter-refused", actor="public", subject=f"city:{_partner_named(city, said)}", facts={"reason": fault.code})
        raise
    with city.db.connection() as conn:
        if conn.execute(FIRST, (letter.sender, letter.number, letter.kind, letter.digest, at)).fetchone() is None:
            return _answer_again(conn, letter)
        answer = _done(city, conn, letter, at)
        conn.execute(ANSWERED, (answer, letter.sender, letter.number))
        return answer


def _believed(city: City, said: Any) -> Letter:
    try:
        partner = find_partner(city, sender_of(said))
    except NotFound:
        partner = None
    if partner is None or not partner.active:
        raise refused("sender", "不认识发信的城市，或已停止往来", "The sending city is not known here, or was stopped")
    letter = unseal(said, partner.suite, partner.key)
    if letter.receiver != own_code(city):
        raise refused("receiver", "信不是写给本市的", "The letter is not to this city")
    return letter


def _partner_named(city: City, said: Any) -> str:
    """The partner that a letter names, for the ledger; `unknown` for everybody else, whatever they call themselves."""
    try:
        return find_partner(city, sender_of(said)).code
    except SanquError:
        return "unknown"


def _answer_again(conn: Connection, letter: Letter) -> str:
    row = conn.execute(BEFORE, (letter.sender, letter.number)).fetchone()
    assert row is not None
    if (row["digest"], row["kind"]) != (letter.digest, letter.kind):
        append(conn, kind="affairs.letter-refused", actor="public", subject=f"city:{letter.sender}", facts={"reason": "affairs.letter-number"})
        conn.commit()
        raise Conflict(
            "affairs.letter-number", Text(zh="这个编号已经用在另一封信上", en="The number was used for another letter"),
            Text(zh="每封信用新编号", en="Give each letter a number of its own"), letter.number,
        )  # fmt: skip
    return str(row["answer"])


def _done(city: City, conn: Connection, letter: Letter, at: datetime) -> str:
    """Do what a letter says, all of it or nothing; returns the sealed answer."""
    kind, body = "taken", dict[str, Any]()
    try:
        with conn.transaction(), at_moment(at):
            does = KINDS.get(letter.kind)
            if does is None:
                raise _unfit("kind")
            body = {"filing": does(Hand(city, conn, letter, at))}
    except SanquError as fault:
        if fault.status >= 500 or fault.status == 429:
            # It will go later: the sender tries again.
            raise
        log.warning("a letter of %s (%s) was refused: %s", letter.sender, letter.kind, fault.code)
        kind, body = "refused", {"cause": {"code": fault.code, "what": fault.what.model_dump(), "todo": fault.todo.model_dump()}}
    facts = {"letter": letter.number, "kind": letter.kind, "answer": kind}
    append(conn, kind="affairs.letter-taken", actor="system", subject=f"city:{letter.sender}", facts=facts)
    return seal(city, letter.sender, kind, letter.number, body, at)


def _unfit(place: str) -> BadInput:
    return BadInput(
        "affairs.letter-unfit", Text(zh=f"信里的 {place} 不合规", en=f"{place} of the letter does not fit"),
        Text(zh="两边用同样的版本", en="Run the same version in both cities"), place,
    )  # fmt: skip


def _file(hand: Hand) -> str:
    """A filing from there: opened here as one of our own, looked at by the window first, with where it came from."""
    offer, body = catalogue_of(hand.city), hand.letter.body
    code = hand.text("matter")
    if code not in offer.matters or not offer.matters[code].cross or code in offer.retired:
        raise not_found(Text(zh="可以跨省办的事项", en="matter that other cities may file"), code[:80])
    offered = offer.find(code)
    assert offered.thing.process == ALONE
    subject = hand.object("subject")
    value = str(subject.get("value", ""))[:64]
    if subject.get("kind") != offered.thing.who or not value or (offered.thing.who == "person" and ID_NUMBER.fullmatch(value) is None):
        raise _unfit("subject")
    if hand.conn.execute(SENT_BY_THEM, (hand.text("filing", 40), hand.letter.sender)).fetchone() is not None:
        raise Conflict(
            "affairs.letter-twice", Text(zh="这件已经在另一封信里送来", en="The filing came in another letter before"),
            Text(zh="看它在这里到了哪一步", en="Look at where it stands here"), hand.text("filing", 40),
        )  # fmt: skip
    photos, channel = _photos(hand), body.get("channel")
    if channel not in ("online", "window"):
        raise _unfit("channel")
    brought = {**dict.fromkeys(photos, "given"), **dict.fromkeys(_seen(hand), "seen")}
    checked = check(offered, NOTHING, hand.object("form"), brought, hand.at.astimezone(CITY_ZONE).date())
    filed = keep_filing(
        hand.city, hand.conn, SYSTEM, SYSTEM, offered, Identity(offered.thing.who, value), replace(checked, complete=False), channel, None, hand.at,
        (hand.letter.sender, hand.text("filing", 40)),
    ).filing  # fmt: skip
    titles = {one.code: one.title.zh for one in offered.materials}
    for material, content in photos.items():
        keep_file(hand.conn, SYSTEM, _case_of(hand, filed), "photo", content, name=titles.get(material, material), at=hand.at)
    return filed.number


def _case_of(hand: Hand, filing: Filing) -> UUID:
    row = hand.conn.execute(CASE, (filing.number,)).fetchone()
    assert row is not None
    return UUID(str(row["id"]))


def _photos(hand: Hand) -> dict[str, bytes]:
    try:
        found = {str(code)[:60]: base64.b64decode(said, validate=True) for code, said in hand.object("photos").items()}
    except (TypeError, ValueError) as fault:
        raise _unfit("photos") from fault
    for content in found.values():
        read_photo(content)
    return found


def _seen(hand: Hand) -> frozenset[str]:
    said = hand.letter.body.get("seen")
    if not isinstance(said, list):
        raise _unfit("seen")
    return frozenset(str(one)[:60] for one in said)


def _amended(hand: Hand) -> str:
    """What was added there to a filing that is handled here."""
    filing = _found(hand, SENT_BY_THEM)
    new = New(hand.object("form"), _photos(hand), _seen(hand))
    keep_amended(hand.city, hand.conn, SYSTEM, SYSTEM, filing, NOTHING, new, hand.text("said"), hand.at)
    return filing.number


def _withdrawn(hand: Hand) -> str:
    """The applicant there has withdrawn it."""
    filing = _found(hand, SENT_BY_THEM)
    if filing.state in OPEN:
        withdraw_case(hand.city, SYSTEM, filing.number, hand.text("note"), conn=hand.conn, at=hand.at)
    return filing.number


def _found(hand: Hand, sql: str) -> Filing:
    row = hand.conn.execute(sql, (hand.text("filing", 40), hand.letter.sender)).fetchone()
    if row is None:
        raise not_found(Text(zh="与对方城市往来的申办件", en="filing shared with that city"), hand.text("filing", 40))
    return filing_from(row)


def _accepted(hand: Hand) -> str:
    """It was accepted there."""
    filing = _found(hand, SENT_BY_US)
    if filing.state == "submitted":
        hand.conn.execute(ACCEPTED, {"at": hand.at, "number": filing.number})
        title, where = catalogue_of(hand.city).find(filing.thing).thing.title, catalogue_of(hand.city).cities[filing.city]
        told = Text(zh=f"{where.zh}已受理：{title.zh}", en=f"Accepted by {where.in_('en')}: {title.in_('en')}")
        tell(hand.conn, [filing.applicant], hand.at, told, f"/affairs/filings/{filing.number}")
    return filing.number


def _heard(heard: str) -> Callable[[Hand], str]:
    """What moves the case that waits here."""

    def does(hand: Hand) -> str:
        filing = _found(hand, SENT_BY_US)
        if filing.state in OPEN:
            if heard == "granted":
                _keep_certificates(hand, filing)
            send_message(hand.city, SYSTEM, filing.number, ELSEWHERE, {"heard": heard, "note": hand.text("note")}, conn=hand.conn, at=hand.at)
        return filing.number

    return does


def _keep_certificates(hand: Hand, filing: Filing) -> None:
    """Keep what was issued there; raises `BadInput` for a certificate that is not signed by that city or is for another filing."""
    partner = find_partner(hand.city, hand.letter.sender)
    said = hand.letter.body.get("certificates")
    if not isinstance(said, list) or len(said) > MOST_CERTIFICATES:
        raise _unfit("certificates")
    for one in said:
        try:
            number, code, text, signature = str(one["number"])[:60], str(one["code"])[:40], str(one["text"]), base64.b64decode(one["signature"], validate=True)
            body: Mapping[str, Any] = json.loads(text)
            fits = body["number"] == number and body["filing"] == filing.city_number and {"title", "holder", "facts", "issued", "until"} <= body.keys()
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise _unfit("certificates") from fault
        if not fits or not partner.suite.verifies(partner.key, text.encode(), signature):
            raise BadInput(
                "affairs.letter-certificate", Text(zh="证照的签名不是这座城市的，或不是这件的", en="The certificate is not signed by that city, or not for this filing"),
                Text(zh="请发证城市核对", en="The issuing city looks at it"), number,
            )  # fmt: skip
        hand.conn.execute(KEEP_CERTIFICATE, (partner.code, number, filing.number, code, text, signature, hand.at))


KINDS: Mapping[str, Callable[[Hand], str]] = {
    "filing": _file, "amended": _amended, "withdrawn": _withdrawn,
    "accepted": _accepted, "asked-more": _heard("asked-more"), "refused": _heard("refused"), "granted": _heard("granted"),
}  # fmt: skip
