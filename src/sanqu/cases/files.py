"""Photos and signatures of a case: known by their content, written anew, bounded; the ledger holds their digests."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from PIL import Image, ImageOps, UnidentifiedImageError

from sanqu.cases.history import find_case, note_step
from sanqu.cases.records import Case, person_label
from sanqu.cases.steps import hold
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

Kind = Literal["photo", "signature"]
LARGEST = 12_000_000
MOST_PIXELS = 50_000_000
# Enough to see what matters; the file as sent is not kept.
LONGEST_SIDE = 2560
MOST_FILES = 50
# What reading a photo's own words may end in, when they are nonsense.
NONSENSE = (OSError, ValueError, SyntaxError, KeyError, TypeError, IndexError, struct.error, ZeroDivisionError, AttributeError)
FORMATS = ("JPEG", "PNG", "WEBP")
TAKEN, OFFSET, EXIF_PART, PLACE_PART = 0x9003, 0x9011, 0x8769, 0x8825

ADD = """
INSERT INTO case_file (id, case_id, task, kind, name, media_type, digest, content, taken, lon, lat, at, actor)
VALUES (%(id)s, %(case)s, %(task)s, %(kind)s, %(name)s, %(media_type)s, %(digest)s, %(content)s, %(taken)s, %(lon)s, %(lat)s, %(at)s, %(actor)s)
"""
COLUMNS = "id, task, kind, name, media_type, digest, taken, lon, lat, at, actor, length(content) AS bytes"
LIST = f"SELECT {COLUMNS} FROM case_file WHERE case_id = %s ORDER BY at, id"
COUNT = "SELECT count(*) AS n FROM case_file WHERE case_id = %s"
CONTENT = "SELECT media_type, content, digest FROM case_file WHERE case_id = %s AND id = %s"
IN_CASE = "SELECT 1 FROM case_task WHERE id = %s AND case_id = %s"


@dataclass(frozen=True)
class Picture:
    """A picture written anew, with when and where it says it was taken."""

    content: bytes
    media_type: str
    taken: datetime | None = None
    lon: float | None = None
    lat: float | None = None


@dataclass(frozen=True)
class CaseFile:
    """A photo or signature of a case; `digest` is the SHA-256 of its content."""

    id: UUID
    task: UUID | None
    kind: Kind
    name: str
    media_type: str
    digest: str
    taken: datetime | None
    lon: float | None
    lat: float | None
    at: datetime
    actor: str
    bytes: int


def add_file(
    city: City, asker: Asker, number: str, kind: Kind, content: bytes, *, name: str = "", task: UUID | None = None, at: datetime | None = None,
) -> CaseFile:  # fmt: skip
    """Keep a photo (JPEG, PNG, WebP) or a drawn signature (PNG) with an open case; its digest goes into the ledger.

    Of what a photo says of itself only time and place are kept, beside it; it is written anew without them. Raises `NotFound`,
    `BadInput` for what is too large or no picture, whatever it calls itself, `Conflict` for a case that has ended or has enough.
    """
    found = find_case(city, asker, number)
    with city.db.connection() as conn:
        return keep_file(conn, asker, found.id, kind, content, name=name, task=task, at=at)


def keep_file(
    conn: Connection, asker: Asker, case_id: UUID, kind: Kind, content: bytes, *, name: str = "", task: UUID | None = None, at: datetime | None = None,
) -> CaseFile:  # fmt: skip
    """What `add_file` does, in the caller's transaction, for a case that the asker may know of."""
    at = at or now()
    picture = read_photo(content) if kind == "photo" else read_signature(content)
    case = hold(conn, case_id).case
    counted = conn.execute(COUNT, (case.id,)).fetchone()
    if case.state != "open" or (counted and counted["n"] >= MOST_FILES):
        raise Conflict(
            "cases.files",
            Text(zh="办件已办结，或附件已满", en="The case has ended, or has enough files"),
            Text(zh=f"在办的办件至多 {MOST_FILES} 个附件", en=f"An open case has at most {MOST_FILES} files"),
            f"case:{case.number}",
        )
    if task is not None and conn.execute(IN_CASE, (task, case.id)).fetchone() is None:
        raise not_found(Text(zh="任务", en="task"), str(task))
    kept = CaseFile(
        uuid4(), task, kind, name.replace("\0", "").strip()[:200] or kind, picture.media_type, hashlib.sha256(picture.content).hexdigest(),
        picture.taken, picture.lon, picture.lat, at, person_label(asker), len(picture.content),
    )  # fmt: skip
    conn.execute(ADD, {**kept.__dict__, "case": case.id, "content": picture.content})
    facts = {"kind": kind, "sha256": kept.digest, "bytes": kept.bytes}
    note_step(conn, case, at, asker.label, "filed", task=task, facts=facts)
    return kept


def files_in(city: City, case: Case) -> list[CaseFile]:
    """The files of a case that the asker may know of, the first first."""
    return [CaseFile(**row) for row in city.db.all(LIST, (case.id,))]


def content_of(city: City, case: Case, id_: UUID) -> tuple[str, bytes]:
    """The media type and content of a file of a case; raises `NotFound`, and `Conflict` when it is not what it was."""
    row = city.db.one(CONTENT, (case.id, id_))
    if row is None:
        raise not_found(Text(zh="附件", en="file"), str(id_))
    content = bytes(row["content"])
    if hashlib.sha256(content).hexdigest() != row["digest"]:
        raise Conflict(
            "cases.file-changed",
            Text(zh="附件与账本里的摘要不符", en="The file is not the one whose digest is in the ledger"),
            Text(zh="从备份恢复它", en="Restore it from a backup"),
            str(id_),
        )
    return str(row["media_type"]), content


def read_photo(content: bytes) -> Picture:
    """A photo written anew, upright, at most 2560 pixels wide; raises `BadInput` for what is none or too large."""
    image = _opened(content, FORMATS)
    taken, lon, lat = _said(image)
    try:
        upright = _upright(image).convert("RGB")
        upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        kept = io.BytesIO()
        upright.save(kept, "JPEG", quality=85)
    except (*NONSENSE, MemoryError) as fault:
        raise _no_picture() from fault
    return Picture(kept.getvalue(), "image/jpeg", taken, lon, lat)


def read_signature(content: bytes) -> Picture:
    """A drawn signature as PNG; raises `BadInput` for what is none, too large, or empty."""
    image = _opened(content, ("PNG",))
    try:
        drawn = image.convert("RGBA")
        drawn.thumbnail((1200, 600))
        kept = io.BytesIO()
        drawn.save(kept, "PNG", optimize=True)
    except (*NONSENSE, MemoryError) as fault:
        raise _no_picture() from fault
    if drawn.getchannel("A").getextrema() == (0, 0) or all(len(set(drawn.getchannel(band).getextrema())) == 1 for band in "RGBA"):
        raise BadInput(
            "cases.signature", Text(zh="签名是空的", en="The signature is empty"), Text(zh="在框里签名", en="Sign in the box")
        )
    return Picture(kept.getvalue(), "image/png")


def _opened(content: bytes, formats: tuple[str, ...]) -> Image.Image:
    if len(content) > LARGEST:
        raise BadInput(
            "cases.photo-size", Text(zh="照片太大", en="The photo is too large"),
            Text(zh=f"至多 {LARGEST // 1_000_000} MB", en=f"At most {LARGEST // 1_000_000} MB"), facts={"bytes": len(content)},
        )  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(content), formats=formats)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as fault:
        raise _no_picture() from fault
    # What a file says of its size is read before its pixels are.
    if image.width * image.height > MOST_PIXELS or image.width < 1 or image.height < 1:
        raise _no_picture()
    return image


def _upright(image: Image.Image) -> Image.Image:
    """The photo as it was held; as it is, where it says nonsense of that."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ImageOps.exif_transpose(image)
    except NONSENSE:
        return image


def _said(image: Image.Image) -> tuple[datetime | None, float | None, float | None]:
    """When and where a photo says it was taken; nothing where it says nothing, or nonsense."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif = image.getexif()
            parts, place = exif.get_ifd(EXIF_PART), exif.get_ifd(PLACE_PART)
    except NONSENSE:
        return None, None, None
    return _moment(parts.get(TAKEN), parts.get(OFFSET)), _degrees(place, 4, 3, "W", 180), _degrees(place, 2, 1, "S", 90)


def _moment(said: Any, offset: Any) -> datetime | None:
    try:
        plain = datetime.strptime(str(said), "%Y:%m:%d %H:%M:%S")
        return datetime.fromisoformat(f"{plain.isoformat()}{offset}") if offset else plain.replace(tzinfo=CITY_ZONE)
    except ValueError:
        return None


def _degrees(place: Any, value: int, side: int, negative: str, most: float) -> float | None:
    try:
        degrees, minutes, seconds = (float(part) for part in place[value])
        found = degrees + minutes / 60 + seconds / 3600
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    if not 0 <= found <= most:
        return None
    return round(-found if str(place.get(side, "")).upper().startswith(negative) else found, 7)


def _no_picture() -> BadInput:
    return BadInput(
        "cases.photo-type",
        Text(zh="这不是能用的图片", en="This is no picture that can be used"),
        Text(zh="传 JPEG、PNG 或 WebP 照片；签名是 PNG", en="Send a JPEG, PNG or WebP photo; a signature is a PNG"),
    )
