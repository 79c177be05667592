"""Certificates of result (电子证照): numbered, signed with the city's key, checked by anybody, revoked for a reason."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from xml.sax.saxutils import escape

from sanqu.affairs.catalogue import Matter, Offered
from sanqu.affairs.records import Filing
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.ledger.checkpoint import signer_of
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.secrets import fresh_code, plain_code

COLUMNS = "number, code, matter, filing, unit, subject, text, signature, issued, until, revoked, revoked_by, reason"
NUMBER = "SELECT nextval('affairs_certificate_number') AS n"
ADD = """
INSERT INTO affairs_certificate (number, code, matter, filing, unit, subject, text, signature, issued, until)
VALUES (%(number)s, %(code)s, %(matter)s, %(filing)s, %(unit)s, %(subject)s, %(text)s, %(signature)s, %(issued)s, %(until)s)
"""
ONE = f"SELECT {COLUMNS} FROM affairs_certificate WHERE number = %s"
OF_FILING = f"SELECT {COLUMNS} FROM affairs_certificate WHERE filing = %s ORDER BY number"
OF_SUBJECTS = f"SELECT {COLUMNS} FROM affairs_certificate WHERE subject = ANY(%s) ORDER BY issued DESC, number LIMIT %s OFFSET %s"
COUNT_SUBJECTS = "SELECT count(*) AS n FROM affairs_certificate WHERE subject = ANY(%s)"
REVOKE = """
UPDATE affairs_certificate SET revoked = %s, revoked_by = %s, reason = %s WHERE number = %s AND revoked IS NULL RETURNING number
"""
UNIT = "SELECT path, title_zh, title_en FROM org_unit WHERE code = %s"
# A font that readers of PDF bring themselves, for Chinese and Latin.
FONT = "STSong-Light"
LONGEST_REASON = 500


@dataclass(frozen=True)
class Certificate:
    """One certificate; `text` is what was signed: canonical JSON with all that stands on it. `code` opens it whole to whoever has it."""

    number: str
    code: str
    matter: str
    filing: str
    unit: str
    subject: str
    text: str
    signature: bytes
    issued: datetime
    until: date | None
    revoked: datetime | None
    revoked_by: str | None
    reason: str

    @property
    def body(self) -> dict[str, Any]:
        """What stands on it."""
        found: dict[str, Any] = json.loads(self.text)
        return found

    def state(self, today: date) -> str:
        """`valid`, `revoked` or `expired`."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.until is not None and self.until < today else "valid"


@dataclass(frozen=True)
class Verified:
    """What checking a certificate says: whether the signature is the city's, how it stands, and what may be shown of it."""

    certificate: Certificate
    genuine: bool
    state: str
    shown: Mapping[str, Any]


def issue(city: City, conn: Connection, offered: Offered, matter: Matter, filing: Filing, unit: str, at: datetime) -> str:
    """Issue the certificate of a matter's result, in the transaction of the step; returns its number."""
    result = matter.result
    assert result is not None
    row = conn.execute(NUMBER).fetchone()
    assert row is not None
    day = at.astimezone(CITY_ZONE).date()
    number = f"{result.prefix}{unit.partition('-')[0]}{day:%Y}{int(row['n']):07d}"
    until = _years_after(day, result.years) if result.years else None
    titles = {item.name: item.title for item in offered.items}
    body = {
        "number": number, "title": result.title.model_dump(), "matter": matter.code, "holder": filing.holder, "unit": unit,
        "issued": day.isoformat(), "until": until.isoformat() if until else None, "filing": filing.number,
        "facts": [{"name": titles[name].model_dump(), "value": _shown(filing.form[name])} for name in result.shows if name in filing.form],
    }  # fmt: skip
    text = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    conn.execute(
        ADD,
        {
            "number": number, "code": fresh_code(), "matter": matter.code, "filing": filing.number, "unit": unit,
            "subject": filing.subject, "text": text, "signature": signer_of(city).keys.sign(text.encode()), "issued": at, "until": until,
        },
    )  # fmt: skip
    # The digest tells nobody anything, and shows later that the text is the one of that day.
    digest = hashlib.sha256(text.encode()).hexdigest()
    append(conn, kind="affairs.certificate", actor=unit, subject=f"certificate:{number}", facts={"sha256": digest, "matter": matter.code})
    return number


def _years_after(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def _shown(value: Any) -> str:
    return {True: "是", False: "否"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def find_certificate(city: City, number: str) -> Certificate:
    """The certificate `number`; raises `NotFound`."""
    row = city.db.one(ONE, (number,))
    if row is None:
        raise not_found(Text(zh="证照", en="certificate"), number[:60])
    return Certificate(**row)


def certificates_of(city: City, filing: Filing) -> list[Certificate]:
    """The certificates that a filing led to."""
    return [Certificate(**row) for row in city.db.all(OF_FILING, (filing.number,))]


def certificates_held(city: City, subjects: list[str], *, limit: int = 50, offset: int = 0) -> tuple[list[Certificate], int]:
    """A page of the certificates of whoever these ID numbers or enterprise codes name, and how many there are."""
    counted = city.db.one(COUNT_SUBJECTS, (subjects,))
    return [Certificate(**row) for row in city.db.all(OF_SUBJECTS, (subjects, limit, offset))], int(counted["n"]) if counted else 0


def verify(city: City, number: str, code: str = "") -> Verified:
    """Check a certificate by its number; with the code of its QR address, everything on it is shown, else no more than it takes.

    Raises `NotFound`.
    """
    found = find_certificate(city, number)
    signer = signer_of(city)
    genuine = signer.suite.verifies(signer.public, found.text.encode(), bytes(found.signature))
    body = found.body
    whole = bool(code) and plain_code(code) == plain_code(found.code)
    shown = {"holder": body["holder"] if whole else _masked(str(body["holder"])), "facts": body["facts"] if whole else [], "whole": whole}
    return Verified(found, genuine, found.state(now().astimezone(CITY_ZONE).date()), shown)


def _masked(name: str) -> str:
    return name[:1] + "*" * max(1, len(name) - 1) if name else ""


def revoke(city: City, asker: Asker, number: str, reason: str, *, at: datetime | None = None) -> None:
    """Revoke a certificate; for stewards of the unit that issued it and above. Raises `Refused`, `BadInput`, `Conflict`."""
    found, at, reason = find_certificate(city, number), at or now(), reason.strip()
    row = city.db.one(UNIT, (found.unit,))
    if row is None or not asker.may_steward(str(row["path"])):
        raise Refused(
            "affairs.revoke", Text(zh="只有发证单位的管理员可以撤销", en="Only a steward of the issuing unit may revoke it"),
            Text(zh="请发证单位办理", en="Ask the issuing unit"), number,
        )  # fmt: skip
    if not reason or len(reason) > LONGEST_REASON:
        raise BadInput(
            "affairs.reason", Text(zh="没有写撤销的理由，或太长", en="The reason is missing or too long"), Text(zh="写明依据", en="Give the ground"), number
        )
    with city.db.connection() as conn:
        if conn.execute(REVOKE, (at, asker.label, reason, number)).fetchone() is None:
            raise Conflict(
                "affairs.revoked", Text(zh="证照已经撤销", en="The certificate was revoked before"), Text(zh="刷新页面", en="Look again"), number
            )
        append(conn, kind="affairs.revoke", actor=asker.label, subject=f"certificate:{number}", facts={})


def pdf_of(city: City, found: Certificate, base: str) -> bytes:
    """The certificate to print: what stands on it, the signature, and a QR code of the address at which anybody checks it."""
    # Loaded here: most processes never print.
    from reportlab.graphics.barcode.qr import QrCodeWidget
    from reportlab.graphics.shapes import Drawing
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer

    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    plain = ParagraphStyle("plain", fontName=FONT, fontSize=12, leading=22, wordWrap="CJK")
    head = ParagraphStyle("head", parent=plain, fontSize=26, leading=40, alignment=1)
    small = ParagraphStyle("small", parent=plain, fontSize=8, leading=11)
    body, unit = found.body, city.db.one(UNIT, (found.unit,)) or {}
    address = address_of(found, base)
    story: list[Any] = [Spacer(1, 40), Paragraph(_plain(body["title"]["zh"]), head), Spacer(1, 24)]
    lines = [("编号", found.number), ("持证人", body["holder"])] + [(fact["name"]["zh"], fact["value"]) for fact in body["facts"]]
    lines += [("发证机关", unit.get("title_zh", found.unit)), ("发证日期", body["issued"]), ("有效期至", body["until"] or "长期")]
    story += [Paragraph(f"{_plain(name)}：{_plain(str(value))}", plain) for name, value in lines]
    if found.revoked:
        story.append(Paragraph("本证照已撤销", head))
    code = QrCodeWidget(address, barLevel="M")
    code.barWidth = code.barHeight = 110
    drawing = Drawing(110, 110)
    drawing.add(code)
    story += [Spacer(1, 30), drawing, Paragraph(_plain(f"扫码或打开 {address} 核验"), small)]
    signed = base64.b64encode(bytes(found.signature)).decode()
    story.append(Paragraph(_plain(f"签名（{signer_of(city).suite.name}）{signed}"), small))
    made = io.BytesIO()
    SimpleDocTemplate(made, pagesize=A4, title=f"{found.number} {body['title']['zh']}", author="Sanqu").build(story)
    return made.getvalue()


def address_of(found: Certificate, base: str) -> str:
    """The address at which anybody who was given it checks a certificate whole."""
    return f"{base}/certificates/{found.number}?code={found.code}"


def _plain(text: str) -> str:
    # The font knows no letters beyond the first plane of Unicode.
    return escape("".join(letter if ord(letter) < 0x10000 else "□" for letter in text))
