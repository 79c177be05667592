"""Devices (设备): what may send rows to one line and nothing else, by MQTT or HTTP, with a secret of its own."""

from __future__ import annotations

import hmac
import json
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import bcrypt

from sanqu.ground.broker import running_nats, use_devices
from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.lines import keeping
from sanqu.lines.live.stream import subject_of
from sanqu.lines.records import Line

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
# The secrets have 256 bits: a dear hash would only slow the devices down.
ROUNDS = 4
ADD = "INSERT INTO live_device (name, line, mark, bcrypt, actor) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING name"
ALL = "SELECT d.name, d.bcrypt, l.body FROM live_device d JOIN lines_line l ON l.name = d.line ORDER BY d.name"
LIST = "SELECT name, line, actor, created FROM live_device WHERE line = %s ORDER BY name LIMIT %s OFFSET %s"
COUNT = "SELECT count(*) AS n FROM live_device WHERE line = %s"
MARK = "SELECT mark FROM live_device WHERE name = %s AND line = %s"
FIND = "SELECT line FROM live_device WHERE name = %s AND mark = %s"
TAKE = "DELETE FROM live_device WHERE name = %s AND line = %s RETURNING name"


@dataclass(frozen=True)
class Device:
    """One device of a line."""

    name: str
    line: str
    actor: str
    created: datetime


def add_device(city: City, line: Line, name: str, asker: Asker) -> str:
    """Let a device called `name` send rows to `line`; gives its secret, which is shown this once.

    Raises `BadInput` for a name that does not fit, `Conflict` for one in use, `Refused`.
    """
    keeping.refuse_stranger(city, line.dataset, asker)
    if not NAME.fullmatch(name):
        raise BadInput(
            "live.device-name",
            Text(zh="设备名称只用字母、数字、-、_、.，至多 64 个", en="A device's name has letters, digits, -, _ and . only, at most 64"),
            Text(zh="换一个名称", en="Choose another name"),
            name[:80],
        )
    secret = secrets.token_urlsafe(32)
    hashed = bcrypt.hashpw(secret.encode(), bcrypt.gensalt(ROUNDS, prefix=b"2a")).decode()
    with city.db.connection() as conn:
        if conn.execute(ADD, (name, line.name, _mark(secret), hashed, asker.label)).fetchone() is None:
            raise Conflict(
                "live.device-there",
                Text(zh="已有同名的设备", en="There is a device of that name"),
                Text(zh="换一个名称，或先停用它", en="Choose another name, or take that one away first"),
                name,
            )
        append(conn, kind="live.device", actor=asker.label, subject=f"line:{line.name}", facts={"device": name})
        tell_bus(city, conn)
    return secret


def remove_device(city: City, line: Line, name: str, asker: Asker) -> None:
    """A device may send no more; raises `NotFound`, `Refused`."""
    keeping.refuse_stranger(city, line.dataset, asker)
    with city.db.connection() as conn:
        if conn.execute(TAKE, (name, line.name)).fetchone() is None:
            raise not_found(Text(zh="设备", en="device"), name)
        append(conn, kind="live.device-gone", actor=asker.label, subject=f"line:{line.name}", facts={"device": name})
        tell_bus(city, conn)


def devices_of(city: City, line: str, limit: int = 50, offset: int = 0) -> tuple[list[Device], int]:
    """Devices of a line, and how many there are in all."""
    found = city.db.one(COUNT, (line,))
    return [Device(**row) for row in city.db.all(LIST, (line, limit, offset))], int(found["n"]) if found else 0


def line_of_device(city: City, name: str, secret: str) -> str | None:
    """The line to which the device with this name and secret may send, or None."""
    row = city.db.one(FIND, (name, _mark(secret)))
    return str(row["line"]) if row else None


def code_of(city: City, line: str, name: str) -> str | None:
    """The code of a device of `line` that speaks a protocol with codes of its own kind (JT/T 808); None for one that is not the line's.

    It follows from the secret, so that it lasts as long as that, and says nothing about it.
    """
    row = city.db.one(MARK, (name, line))
    return None if row is None else hmac.new(bytes(row["mark"]), b"jt808", sha256).hexdigest()[:16]


def tell_bus(city: City, conn: Connection) -> None:
    """Let the city's own NATS take just the devices there are; one elsewhere is configured by whoever runs it."""
    if running_nats(city.settings.home) is not None:
        use_devices(city.settings.home, "".join(_user(row) for row in conn.execute(ALL).fetchall()))


def tell_bus_now(city: City) -> None:
    """The same, for whoever begins: a NATS that was made anew takes the devices that there are."""
    with city.db.connection() as conn:
        tell_bus(city, conn)


def _user(row: dict[str, object]) -> str:
    line = Line.from_descriptor(row["body"])  # type: ignore[arg-type]
    said = {
        "user": row["name"],
        "password": row["bcrypt"],
        "permissions": {"publish": [subject_of(line)], "subscribe": {"deny": ">"}},
    }
    return f"  {json.dumps(said)}\n"


def _mark(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
