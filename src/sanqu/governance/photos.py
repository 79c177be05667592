"""Photos of events: looked at by their first bytes, kept beside the event, shown to those who may see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, not_found
from sanqu.ground.i18n import Text

LARGEST = 8_000_000
KINDS = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))
RIFF, WEBP = b"RIFF", b"WEBP"

ADD = "INSERT INTO governance_photo (id, event, at, media_type, bytes) VALUES (%s, %s, %s, %s, %s)"
OF = "SELECT id FROM governance_photo WHERE event = %s ORDER BY at, id"
ONE = "SELECT media_type, bytes FROM governance_photo WHERE id = %s AND event = %s"


@dataclass(frozen=True)
class Photo:
    """A picture and what it is."""

    media_type: str
    bytes: bytes


def check_photo(said: bytes) -> Photo:
    """The photo in `said`; raises `BadInput` for one that is too large or none: what it calls itself is not believed."""
    if len(said) > LARGEST:
        raise BadInput(
            "governance.photo-size",
            Text(zh="照片太大", en="The photo is too large"),
            Text(zh=f"至多 {LARGEST // 1_000_000} MB", en=f"At most {LARGEST // 1_000_000} MB"),
            facts={"bytes": len(said)},
        )
    kind = next((kind for start, kind in KINDS if said.startswith(start)), None)
    if kind is None and said[:4] == RIFF and said[8:12] == WEBP:
        kind = "image/webp"
    if kind is None:
        raise BadInput(
            "governance.photo-type",
            Text(zh="这不是照片", en="This is no photo"),
            Text(zh="传 JPEG、PNG 或 WebP", en="Send JPEG, PNG or WebP"),
        )
    return Photo(kind, said)


def add_photo(conn: Connection, event: int, id_: UUID, photo: Photo, at: datetime) -> None:
    """Keep a photo of an event."""
    conn.execute(ADD, (id_, event, at, photo.media_type, photo.bytes))


def photos_of(city: City, event: int) -> list[UUID]:
    """The photos of an event, the first first."""
    return [row["id"] for row in city.db.all(OF, (event,))]


def photo_of(city: City, event: int, id_: UUID) -> Photo:
    """One photo of an event; raises `NotFound`."""
    row = city.db.one(ONE, (id_, event))
    if row is None:
        raise not_found(Text(zh="照片", en="photo"), str(id_))
    return Photo(str(row["media_type"]), bytes(row["bytes"]))
