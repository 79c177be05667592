"""Rooms are made by stewards; members come in; nobody else knows what is inside."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, field_validator
from pydantic import Field as Given

from sanqu.ground.city import City
from sanqu.ground.errors import Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.units import unit
from sanqu.sandbox.records import DOMINANCE, ROOM_COLUMNS, Dominance, Room, room_of_row

ONE = f"SELECT {ROOM_COLUMNS} FROM sandbox_room r LEFT JOIN org_unit u ON u.code = r.unit WHERE r.id = %s"
LIST = f"SELECT {ROOM_COLUMNS} FROM sandbox_room r LEFT JOIN org_unit u ON u.code = r.unit ORDER BY r.id DESC"
IS_MEMBER = "SELECT 1 AS one FROM sandbox_member WHERE room = %s AND person = %s"
ROOMS_OF = "SELECT room FROM sandbox_member WHERE person = %s"
MEMBERS = """
SELECT p.id, p.login, p.name, m.added FROM sandbox_member m JOIN person p ON p.id = m.person WHERE m.room = %s ORDER BY m.added
"""
ADD = """
INSERT INTO sandbox_room (title, unit, purposes, least, dominance, budget, budget_left, epsilon, actor)
VALUES (%(title)s, %(unit)s, %(purposes)s, %(least)s, %(dominance)s, %(budget)s, %(budget)s, %(epsilon)s, %(actor)s) RETURNING id
"""
PERSON = "SELECT id FROM person WHERE login = %s AND state = 'active'"
ADD_MEMBER = "INSERT INTO sandbox_member (room, person, actor) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING RETURNING person"
DROP_MEMBER = "DELETE FROM sandbox_member WHERE room = %s AND person = %s RETURNING person"
CLOSE = "UPDATE sandbox_room SET state = 'closed' WHERE id = %s AND state = 'open' RETURNING id"
ROOM = Text(zh="沙箱房间", en="room")


class NewRoom(BaseModel):
    """What a steward says of a room to be made."""

    model_config = ConfigDict(extra="forbid")

    title: str = Given(min_length=1, max_length=200, description="名称 · what it is called")
    unit: str = Given(max_length=100, description="负责的机构 · the unit that answers for the room")
    purposes: tuple[str, ...] = Given(min_length=1, max_length=20, description="用途 · what its queries may be for")
    least: int = Given(default=5, ge=2, le=10_000, description="每格最少主体数 k · least distinct subjects in a cell")
    dominance: tuple[Dominance, ...] = Given(default=DOMINANCE, max_length=5, description="支配规则 · (n, k) dominance rules")
    budget: Decimal = Given(default=Decimal(3), ge=0, le=1000, decimal_places=6, description="隐私预算 ε · the privacy budget")
    epsilon: Decimal = Given(
        default=Decimal("0.1"), gt=0, le=10, decimal_places=6, description="每次通常花费 ε · what a private answer usually costs"
    )

    @field_validator("purposes")
    @classmethod
    def _plain_words(cls, purposes: tuple[str, ...]) -> tuple[str, ...]:
        kept = tuple(dict.fromkeys(one.strip() for one in purposes))
        if not all(0 < len(one) <= 200 for one in kept):
            raise ValueError("a purpose has 1 to 200 letters")
        return kept


def make_room(city: City, asker: Asker, said: NewRoom) -> Room:
    """Make a room; for the steward of its unit, or of one above. Raises `Refused`, or `NotFound` for the unit."""
    _check_keeper(asker, unit(city, said.unit).path, said.unit)
    given: dict[str, Any] = said.model_dump() | {"purposes": list(said.purposes), "actor": asker.label}
    given["dominance"] = Jsonb([rule.model_dump() for rule in said.dominance])
    with city.db.connection() as conn:
        row = conn.execute(ADD, given).fetchone()
        number = int(row["id"]) if row else 0
        facts = {"unit": said.unit, "purposes": list(said.purposes), "least": said.least, "budget": str(said.budget)}
        append(conn, kind="sandbox.room", actor=asker.label, subject=f"room:{number}", facts=facts)
    return room_on_record(city, number)


def room_on_record(city: City, number: int) -> Room:
    """A room, whoever asks; raises `NotFound`."""
    row = city.db.one(ONE, (number,))
    if row is None:
        raise not_found(ROOM, str(number))
    return room_of_row(row)


def keeps(asker: Asker, room: Room) -> bool:
    """Whether the asker answers for the room."""
    return asker.may_steward(room.unit_path)


def is_member(city: City, asker: Asker, room: Room) -> bool:
    """Whether the asker is a member of the room."""
    return asker.user_id is not None and city.db.one(IS_MEMBER, (room.id, asker.user_id)) is not None


def room_for(city: City, asker: Asker, number: int) -> Room:
    """A room for its members and its steward; raises `NotFound` for everyone else, who may not know that it is there."""
    room = room_on_record(city, number)
    if not keeps(asker, room) and not is_member(city, asker, room):
        raise not_found(ROOM, str(number))
    return room


def room_to_work_in(city: City, asker: Asker, number: int) -> Room:
    """An open room for one of its members; its steward too must be a member to compute in it."""
    room = room_for(city, asker, number)
    if not is_member(city, asker, room):
        raise Refused(
            "sandbox.not-member",
            Text(zh="只有成员可以在房间里计算", en="Only members may compute in a room"),
            Text(zh="把自己加为成员", en="Add yourself as a member"),
            str(number),
        )
    if room.state != "open":
        raise Refused(
            "sandbox.closed",
            Text(zh="房间已关闭", en="The room is closed"),
            Text(zh="请负责机构另开一间", en="Ask its unit for another one"),
            str(number),
        )
    return room


def room_to_keep(city: City, asker: Asker, number: int) -> Room:
    """A room for the one who answers for it; raises `NotFound` or `Refused`."""
    room = room_for(city, asker, number)
    _check_keeper(asker, room.unit_path, str(number))
    return room


def _check_keeper(asker: Asker, unit_path: str, thing: str) -> None:
    if not asker.may_steward(unit_path):
        raise Refused(
            "sandbox.not-keeper",
            Text(zh="只有负责机构的数据管理员可以管理房间", en="Only a steward of its unit may keep a room"),
            Text(zh="请该机构操作，或申请“数据管理员”角色", en="Ask that unit, or for the role of steward there"),
            thing,
        )


def rooms_of(city: City, asker: Asker) -> list[Room]:
    """The rooms one is a member of or answers for, the newest first."""
    mine = {row["room"] for row in city.db.all(ROOMS_OF, (asker.user_id,))}
    return [room for room in map(room_of_row, city.db.all(LIST)) if room.id in mine or keeps(asker, room)]


def members(city: City, room: Room) -> list[dict[str, Any]]:
    """Who is in the room: id, login, name, since when."""
    return city.db.all(MEMBERS, (room.id,))


def add_member(city: City, asker: Asker, number: int, login: str) -> None:
    """Let a person in; raises `NotFound` for a login that nobody has."""
    room = room_to_keep(city, asker, number)
    with city.db.connection() as conn:
        found = conn.execute(PERSON, (login.strip(),)).fetchone()
        if found is None:
            raise not_found(Text(zh="人员", en="person"), login)
        if conn.execute(ADD_MEMBER, (room.id, found["id"], asker.label)).fetchone():
            facts = {"person": f"user:{found['id']}"}
            append(conn, kind="sandbox.member", actor=asker.label, subject=f"room:{room.id}", facts=facts)


def drop_member(city: City, asker: Asker, number: int, person: int) -> None:
    """Show a member out; raises `NotFound` for one who is not in."""
    room = room_to_keep(city, asker, number)
    with city.db.connection() as conn:
        if conn.execute(DROP_MEMBER, (room.id, person)).fetchone() is None:
            raise not_found(Text(zh="成员", en="member"), str(person))
        facts = {"person": f"user:{person}"}
        append(conn, kind="sandbox.member-out", actor=asker.label, subject=f"room:{room.id}", facts=facts)


def close_room(city: City, asker: Asker, number: int) -> None:
    """Close a room: nothing more is computed in it; what has left stays."""
    room = room_to_keep(city, asker, number)
    with city.db.connection() as conn:
        if conn.execute(CLOSE, (room.id,)).fetchone():
            append(conn, kind="sandbox.close", actor=asker.label, subject=f"room:{room.id}")
