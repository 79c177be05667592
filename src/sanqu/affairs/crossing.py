"""What cities write each other about a filing: it and what was added to it, how it went, the certificates (跨省通办)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sanqu.affairs.certificates import OF_FILING, Certificate
from sanqu.affairs.letters import put_letter
from sanqu.affairs.records import Filing
from sanqu.cases.files import read_photo
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.ledger.checkpoint import SUITES
from sanqu.ground.people.askers import Asker

MOST_PHOTO_BYTES = 24_000_000

AWAY = """
SELECT c.number, c.code, c.text, c.signature, c.at, p.code AS partner, p.title_zh, p.title_en, p.address, p.suite, p.key
FROM affairs_certificate_away c JOIN affairs_partner p ON p.code = c.partner WHERE c.filing = ANY(%s) ORDER BY c.at, c.number
"""


@dataclass(frozen=True)
class AwayCertificate:
    """A certificate that a partner issued; `genuine`: its signature is by the key that is pinned for that city now."""

    number: str
    code: str
    body: Mapping[str, Any]
    at: datetime
    partner: str
    city: Text
    address: str
    genuine: bool

    @property
    def page(self) -> str:
        """Where its own city says whether it is in force."""
        return f"{self.address}/certificates/{self.number}?code={self.code}"

    @property
    def pdf(self) -> str:
        """Where its own city prints it."""
        return f"{self.address}/certificates/{self.number}.pdf?code={self.code}"


def certificates_away(city: City, filings: Sequence[Filing]) -> list[AwayCertificate]:
    """The certificates that partners issued for these filings, their signatures checked."""
    rows = city.db.all(AWAY, ([one.number for one in filings if one.city],))
    return [
        AwayCertificate(
            row["number"], row["code"], json.loads(row["text"]), row["at"], row["partner"], Text(zh=row["title_zh"], en=row["title_en"]), row["address"],
            SUITES[row["suite"]].verifies(bytes(row["key"]), str(row["text"]).encode(), bytes(row["signature"])),
        )
        for row in rows
    ]  # fmt: skip


def send_filing(city: City, conn: Connection, actor: Asker, filing: Filing, photos: Mapping[str, bytes], at: datetime) -> None:
    """Send a filing to the city that handles it: the form, the materials, and the identity it is filed under; nothing else."""
    append(conn, kind="affairs.cross-consent", actor=actor.label, subject=f"filing:{filing.number}", facts={"to": filing.city, "thing": filing.thing})
    body = {
        "filing": filing.number, "matter": filing.thing.removeprefix(f"x{filing.city}-"), "channel": filing.channel, "form": filing.form,
        "subject": {"kind": filing.subject_kind, "value": filing.subject}, "seen": _seen(filing), "photos": _packed(photos),
    }  # fmt: skip
    put_letter(city, conn, filing.city, filing.number, "filing", body, at)


def _seen(filing: Filing) -> list[str]:
    return [code for code, one in filing.materials.items() if one["how"] == "seen"]


def send_amended(
    city: City, conn: Connection, filing: Filing, form: Mapping[str, Any], seen: Sequence[str], photos: Mapping[str, bytes], said: str, at: datetime,
) -> None:  # fmt: skip
    """Send what was added to the city that asked for it."""
    body = {"filing": filing.number, "form": form, "seen": seen, "photos": _packed(photos), "said": said[:1000]}
    put_letter(city, conn, filing.city, filing.number, "amended", body, at)


def _packed(photos: Mapping[str, bytes]) -> dict[str, str]:
    """The photos as this city keeps them, in base64; raises `BadInput` for more than a letter carries."""
    kept = {code: read_photo(content).content for code, content in photos.items()}
    if sum(map(len, kept.values())) > MOST_PHOTO_BYTES:
        raise BadInput(
            "affairs.cross-photos", Text(zh="照片加起来太大，发不过去", en="The photos are too large together to be sent"),
            Text(zh=f"合计至多 {MOST_PHOTO_BYTES // 1_000_000} MB", en=f"At most {MOST_PHOTO_BYTES // 1_000_000} MB in all"),
        )  # fmt: skip
    return {code: base64.b64encode(content).decode() for code, content in kept.items()}


def send_news(city: City, conn: Connection, filing: Filing | None, kind: str, at: datetime, note: str = "") -> None:
    """Tell the other city of a filing how it went: the one that sent it here, or, that it was withdrawn, the one that handles it."""
    partner = filing.origin or filing.city if filing is not None else ""
    if filing is None or not partner:
        return
    body: dict[str, Any] = {"filing": filing.origin_number or filing.number, "note": note}
    if kind == "granted":
        rows = conn.execute(OF_FILING, (filing.number,)).fetchall()
        body["certificates"] = [_certificate(Certificate(**row)) for row in rows]
    put_letter(city, conn, partner, filing.number, kind, body, at)


def _certificate(one: Certificate) -> dict[str, str]:
    return {"number": one.number, "code": one.code, "text": one.text, "signature": base64.b64encode(bytes(one.signature)).decode()}
