"""Partner cities (跨省通办): who they are and by which key, what they offer, what this city offers to them."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from psycopg.types.json import Jsonb

from sanqu.affairs.catalogue import Item, Matter, catalogue_of, read_catalogue
from sanqu.affairs.letters import call, cause_of, own_code, refused, seal, unseal
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Refused, SanquError, not_found
from sanqu.ground.facts import fact
from sanqu.ground.i18n import Text
from sanqu.ground.jobs import job
from sanqu.ground.ledger import append
from sanqu.ground.ledger.checkpoint import SUITES, Suite, signer_of, suite_named
from sanqu.ground.people.askers import Asker

CODE = re.compile(r"[a-z0-9]{2,12}")
OFFERED = "/api/affairs/cross/matters"
KEY_BYTES = {"ed25519-sha256": (32,), "sm2-sm3": (64, 65)}
LONGEST_TITLE, LONGEST_ADDRESS, MOST = 60, 300, 2000

COLUMNS = """p.code, p.title_zh, p.title_en, p.address, p.suite, p.key, p.active, p.offered, p.fetched, p.cause,
    (SELECT count(*) FROM affairs_offer o WHERE o.partner = p.code AND o.active) AS matters,
    (SELECT count(*) FROM affairs_letter l WHERE l.partner = p.code AND l.state = 'waiting') AS waiting"""
ALL = f"SELECT {COLUMNS} FROM affairs_partner p ORDER BY p.code LIMIT %s OFFSET %s"
COUNT = "SELECT count(*) AS n FROM affairs_partner"
ONE = f"SELECT {COLUMNS} FROM affairs_partner p WHERE p.code = %s"
ACTIVE = "SELECT code FROM affairs_partner WHERE active ORDER BY code"
KEEP = """
INSERT INTO affairs_partner (code, title_zh, title_en, address, suite, key) VALUES (%(code)s, %(zh)s, %(en)s, %(address)s, %(suite)s, %(key)s)
ON CONFLICT (code) DO UPDATE SET title_zh = excluded.title_zh, title_en = excluded.title_en, address = excluded.address, suite = excluded.suite,
    key = excluded.key, active = true
"""
SWITCH = "UPDATE affairs_partner SET active = %s WHERE code = %s RETURNING code"
FETCHED = "UPDATE affairs_partner SET fetched = %(at)s, cause = NULL, offered = %(offered)s WHERE code = %(code)s"
FAILED = "UPDATE affairs_partner SET fetched = %s, cause = %s WHERE code = %s"
SAVE = """
INSERT INTO affairs_offer (partner, code, position, body) VALUES (%s, %s, %s, %s)
ON CONFLICT (partner, code) DO UPDATE SET position = excluded.position, body = excluded.body, active = true
"""
DROP = "UPDATE affairs_offer SET active = false WHERE partner = %s AND code <> ALL(%s)"
LETTERS = """
SELECT l.number, l.partner, l.filing, l.kind, l.made, l.state, l.tries, l.next_try, l.settled, l.cause FROM affairs_letter l
WHERE (%(state)s::text IS NULL OR l.state = %(state)s) AND (%(filing)s::text IS NULL OR l.filing = %(filing)s) ORDER BY l.position DESC LIMIT %(limit)s OFFSET %(offset)s
"""
COUNT_LETTERS = """
SELECT count(*) AS n FROM affairs_letter l
WHERE (%(state)s::text IS NULL OR l.state = %(state)s) AND (%(filing)s::text IS NULL OR l.filing = %(filing)s)
"""


@dataclass(frozen=True)
class New:
    """A partner as an administrator gives it; `key` is its public key in base64."""

    code: str
    title: Text
    address: str
    key: str
    suite: str = "ed25519-sha256"


@dataclass(frozen=True)
class Partner:
    """A partner city; `cause` is why its catalogue could not be fetched last, `waiting` how many letters to it wait."""

    code: str
    title: Text
    address: str
    suite: Suite
    key: bytes
    active: bool
    offered: datetime | None
    fetched: datetime | None
    cause: dict[str, Any] | None
    matters: int
    waiting: int

    @property
    def key_text(self) -> str:
        """The key in base64, as it was pinned."""
        return base64.b64encode(self.key).decode()


def _partner_from(row: Mapping[str, Any]) -> Partner:
    return Partner(
        row["code"], Text(zh=row["title_zh"], en=row["title_en"]), row["address"], SUITES[row["suite"]], bytes(row["key"]), row["active"],
        row["offered"], row["fetched"], row["cause"], int(row["matters"]), int(row["waiting"]),
    )  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """A letter as the partners' page lists it; its text is not shown."""

    number: str
    partner: str
    filing: str
    kind: str
    made: datetime
    state: str
    tries: int
    next_try: datetime
    settled: datetime | None
    cause: dict[str, Any] | None


def ourselves(city: City) -> New:
    """What the other cities' administrators keep of this one."""
    signer = signer_of(city)
    title = Text.model_validate(fact(city, "city", {}).get("title") or own_code(city))
    return New(own_code(city), title, city.settings.public_url.rstrip("/"), base64.b64encode(signer.public).decode(), signer.suite.name)


def partners(city: City, *, limit: int = 50, offset: int = 0) -> tuple[list[Partner], int]:
    """A page of the partner cities, and how many there are."""
    counted = city.db.one(COUNT)
    return [_partner_from(row) for row in city.db.all(ALL, (limit, offset))], int(counted["n"]) if counted else 0


def find_partner(city: City, code: str) -> Partner:
    """The partner `code`; raises `NotFound`."""
    row = city.db.one(ONE, (code,))
    if row is None:
        raise not_found(Text(zh="伙伴城市", en="partner city"), code[:40])
    return _partner_from(row)


def letters_sent(
    city: City, state: str | None = None, *, filing: str | None = None, limit: int = 50, offset: int = 0,
) -> tuple[list[Sent], int]:  # fmt: skip
    """A page of the letters to partners (about one filing, where it is given), the newest first, and how many there are."""
    wanted = {"state": state or None, "filing": filing, "limit": limit, "offset": offset}
    counted = city.db.one(COUNT_LETTERS, wanted)
    return [Sent(**row) for row in city.db.all(LETTERS, wanted)], int(counted["n"]) if counted else 0


def keep_partner(city: City, asker: Asker, new: New) -> Partner:
    """Keep a partner with its key pinned, or change one, by an administrator, and fetch what it offers.

    A city that cannot be reached now is kept, with the cause; one that signs with another key is refused. Raises `BadInput`, `Refused`.
    """
    _check_admin(asker)
    suite, key, address = _checked(city, new)
    tried = Partner(new.code, new.title, address, suite, key, True, None, None, None, 0, 0)
    found: tuple[datetime, list[dict[str, Any]]] | None = None
    failed: SanquError | httpx.HTTPError | None = None
    try:
        found = _ask(city, tried)
    except Refused as fault:
        raise BadInput(
            "affairs.partner-key",
            Text(zh=f"对不上这座城市：{fault.what.zh}", en=f"This is not the city as given: {fault.what.en}"),
            Text(zh="向对方管理员核对代码、地址和公钥", en="Check code, address and key with its administrator"),
            new.code, facts={"reason": str(fault.facts.get("reason", ""))},
        ) from fault  # fmt: skip
    except (SanquError, httpx.HTTPError) as fault:
        failed = fault
    with city.db.connection() as conn:
        conn.execute(KEEP, {"code": new.code, "zh": new.title.zh, "en": new.title.in_("en"), "address": address, "suite": suite.name, "key": key})
        facts = {"address": address, "key_sha256": hashlib.sha256(key).hexdigest()}
        append(conn, kind="affairs.partner", actor=asker.label, subject=f"city:{new.code}", facts=facts)
        _note(conn, new.code, found, failed, now())
    return find_partner(city, new.code)


def _checked(city: City, new: New) -> tuple[Suite, bytes, str]:
    """What was given, as far as it can be judged without asking the city."""
    if CODE.fullmatch(new.code) is None or new.code == own_code(city):
        raise _unfit("code", Text(zh="代码不合规，或是本市自己的", en="The code does not fit, or is this city's own"), Text(zh="写区划代码，如 3611", en="Write its division, such as 3611"))
    if not new.title.zh.strip() or len(new.title.zh) + len(new.title.en) > 2 * LONGEST_TITLE:
        raise _unfit("title", Text(zh="城市名没有写，或太长", en="The city's name is missing or too long"), Text(zh="写城市名", en="Write its name"))
    address, parts = new.address.strip().rstrip("/"), urlsplit(new.address.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment or len(address) > LONGEST_ADDRESS:
        raise _unfit("address", Text(zh="地址不合规", en="The address does not fit"), Text(zh="写成 https://city.example", en="Write it as https://city.example"))
    suite = suite_named(new.suite)
    try:
        key = base64.b64decode(new.key.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) not in KEY_BYTES[suite.name]:
        raise _unfit("key", Text(zh="公钥不合规", en="The public key does not fit"), Text(zh="从对方“伙伴城市”页抄 base64 公钥", en="Copy the key in base64 from its page of partners"))
    return suite, key, address


def _unfit(field: str, what: Text, todo: Text) -> BadInput:
    return BadInput(f"affairs.partner-{field}", what, todo, facts={"fields": {field: what.model_dump()}})


def _check_admin(asker: Asker) -> None:
    if not asker.is_admin:
        raise Refused(
            "affairs.partners", Text(zh="伙伴城市由管理员登记", en="Partner cities are kept by administrators"), Text(zh="请管理员办理", en="Ask an administrator"),
        )  # fmt: skip


def switch_partner(city: City, asker: Asker, code: str, active: bool) -> None:
    """Stop or resume working with a partner; letters to it wait, letters from it are refused. Raises `Refused`, `NotFound`."""
    _check_admin(asker)
    with city.db.connection() as conn:
        if conn.execute(SWITCH, (active, code)).fetchone() is None:
            raise not_found(Text(zh="伙伴城市", en="partner city"), code[:40])
        append(conn, kind="affairs.partner", actor=asker.label, subject=f"city:{code}", facts={"active": active})


def offered_to_others(city: City) -> str:
    """The matters that other cities may file, sealed, for anybody to read."""
    offer = catalogue_of(city)
    matters = [one for one in offer.matters.values() if one.cross and one.code not in offer.retired]
    names = dict.fromkeys(name for one in matters for name in one.items)
    body = {"matters": [one.model_dump() for one in matters], "items": [offer.items[name].model_dump() for name in names]}
    return seal(city, "", "matters", "", body, now())


def fetch_offers(city: City, code: str, *, at: datetime | None = None) -> Partner:
    """Fetch what a partner offers; what fails is kept as the cause, and what was fetched before stands. Raises `NotFound`."""
    partner = find_partner(city, code)
    found: tuple[datetime, list[dict[str, Any]]] | None = None
    failed: SanquError | httpx.HTTPError | None = None
    try:
        found = _ask(city, partner)
    except (SanquError, httpx.HTTPError) as fault:
        failed = fault
    with city.db.connection() as conn:
        _note(conn, code, found, failed, at or now())
    return find_partner(city, code)


@job("affairs.offers", every="41 * * * *")
def fetch_all(city: City) -> None:
    """Fetch what every partner offers."""
    for row in city.db.all(ACTIVE):
        fetch_offers(city, str(row["code"]))


def _note(
    conn: Connection, code: str, found: tuple[datetime, list[dict[str, Any]]] | None, failed: SanquError | httpx.HTTPError | None, at: datetime,
) -> None:  # fmt: skip
    if found is None:
        assert failed is not None
        conn.execute(FAILED, (at, Jsonb(cause_of(failed)), code))
        return
    made, bodies = found
    for place, body in enumerate(bodies):
        conn.execute(SAVE, (code, body["matter"]["code"], place, Jsonb(body)))
    conn.execute(DROP, (code, [body["matter"]["code"] for body in bodies]))
    conn.execute(FETCHED, {"at": at, "offered": made, "code": code})


def _ask(city: City, partner: Partner) -> tuple[datetime, list[dict[str, Any]]]:
    """What the partner offers, as this city keeps it; raises `Refused` where the seal does not fit, and what `call` raises."""
    letter = unseal(call(city, "GET", partner.address + OFFERED), partner.suite, partner.key)
    if letter.sender != partner.code or letter.kind != "matters":
        raise refused("sender", f"这是 {letter.sender[:12]}，不是 {partner.code}", f"This is {letter.sender[:12]}, not {partner.code}")
    if partner.offered is not None and letter.made < partner.offered:
        raise refused("old", "比已有的目录旧", "It is older than the catalogue kept here")
    return letter.made, _kept(letter.body, partner.code)


def _kept(body: Mapping[str, Any], partner: str) -> list[dict[str, Any]]:
    """Each matter with its fields, under a code of its own, checked as a pack's catalogue is.

    Nothing is filled from what this city holds: its datasets are not the other's. What a newer version says more is left out.
    """
    found = read_catalogue({
        "window": partner, "matter": _known(Matter.model_fields, body.get("matters")), "item": _known(Item.model_fields, body.get("items")),
    })  # fmt: skip
    items = {one.name: one.model_copy(update={"source": ""}) for one in found.item}
    kept = []
    for one in (one for one in found.matter if one.cross):
        materials = [paper.model_copy(update={"held": "", "made_by": ""}).model_dump() for paper in one.materials]
        matter = one.model_dump() | {"code": f"x{partner}-{one.code}", "city": partner, "materials": materials}
        kept.append({"matter": matter, "items": [items[name].model_dump() for name in one.items]})
    return kept


def _known(fields: Mapping[str, Any], said: Any) -> list[dict[str, Any]]:
    found = said[:MOST] if isinstance(said, list) else []
    return [{name: value for name, value in one.items() if name in fields} for one in found if isinstance(one, dict)]
