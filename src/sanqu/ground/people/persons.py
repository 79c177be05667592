"""People (用户) and the roles they hold at units."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

import argon2
from psycopg.errors import ForeignKeyViolation, UniqueViolation

from sanqu.ground.city import City
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Conflict, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker, Role

RoleName = Literal["admin", "steward", "officer"]
SHORTEST_PASSWORD = 10
LOGIN = re.compile(r"\w[\w.@+-]{0,63}")
LONGEST_NAME = 100

ADD = "INSERT INTO person (login, name, email) VALUES (%s, %s, %s) RETURNING id"
ADD_ROLE = "INSERT INTO person_role (person, role, unit) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
# Locked, so that two administrators cannot take the last two roles from each other at once.
ADMINS = """
SELECT r.person FROM person_role r JOIN person p ON p.id = r.person
WHERE r.role = 'admin' AND p.state = 'active' FOR UPDATE OF r
"""
DROP_ROLES = "DELETE FROM person_role WHERE person = %s"
ROLES = """
SELECT r.role, r.unit, u.path FROM person_role r JOIN org_unit u ON u.code = r.unit
WHERE r.person = %s ORDER BY r.role, r.unit
"""
ONE = "SELECT id, login, name, email, state, lang, password FROM person WHERE id = %s"
BY_LOGIN = "SELECT id, password, state FROM person WHERE login = %s"
LIST = """
SELECT p.id, p.login, p.name, p.email, p.state, p.created,
       coalesce(array_agg(r.role || '@' || r.unit ORDER BY r.role, r.unit) FILTER (WHERE r.role IS NOT NULL), '{}') AS roles
FROM person p LEFT JOIN person_role r ON r.person = p.id
WHERE %(text)s::text IS NULL OR p.login ILIKE '%%' || %(text)s || '%%' OR p.name ILIKE '%%' || %(text)s || '%%'
GROUP BY p.id ORDER BY p.id LIMIT %(limit)s OFFSET %(offset)s
"""
COUNT_ALL = """
SELECT count(*) AS n FROM person p
WHERE %(text)s::text IS NULL OR p.login ILIKE '%%' || %(text)s || '%%' OR p.name ILIKE '%%' || %(text)s || '%%'
"""
SET_PASSWORD = "UPDATE person SET password = %s WHERE id = %s"
SET_STATE = "UPDATE person SET state = %s WHERE id = %s RETURNING id"
END_SESSIONS = "DELETE FROM person_session WHERE person = %s"


@dataclass(frozen=True)
class Person:
    """A person as lists show one; `roles` are `role@unit`."""

    id: int
    login: str
    name: str
    email: str
    state: str
    roles: tuple[str, ...]


def add_person(conn: Connection, actor: Asker, login: str, name: str, roles: list[tuple[RoleName, str]], email: str = "") -> int:
    """Add a person with (role, unit code) pairs; returns the id.

    Raises `Conflict` for a login that is taken, `BadInput` for a login, name or role that cannot be, `NotFound` for a unit.
    """
    login = login.strip().lower()
    if not login or not name.strip():
        raise BadInput(
            "people.incomplete",
            Text(zh="缺少账号或姓名", en="The login or the name is missing"),
            Text(zh="两项都要填写", en="Fill in both"),
        )
    if LOGIN.fullmatch(login) is None or len(name) > LONGEST_NAME:
        raise BadInput(
            "people.login",
            Text(zh="账号或姓名不合规", en="The login or the name does not fit"),
            Text(
                zh=f"账号用字母、数字和 . @ + - _，至多 64 个；姓名至多 {LONGEST_NAME} 个字符",
                en=f"A login has letters, digits and . @ + - _, at most 64; a name at most {LONGEST_NAME} characters",
            ),
            login[:80],
        )
    try:
        row = conn.execute(ADD, (login, name.strip(), email)).fetchone()
    except UniqueViolation as fault:
        raise Conflict(
            "people.login-taken",
            Text(zh="账号已被使用", en="The login is taken"),
            Text(zh="换一个账号", en="Choose another login"),
            login,
        ) from fault
    assert row is not None
    person = int(row["id"])
    set_roles(conn, actor, person, roles)
    append(conn, kind="people.add", actor=actor.label, subject=f"user:{person}", facts={"roles": [f"{r}@{u}" for r, u in roles]})
    return person


def set_roles(conn: Connection, actor: Asker, person: int, roles: list[tuple[RoleName, str]]) -> None:
    """Give a person exactly these (role, unit code) pairs.

    Raises `NotFound` for a person or unit that is not there, `BadInput` for a role there is none of, `Conflict` when nobody would
    administer the city any more.
    """
    if conn.execute(ONE, (person,)).fetchone() is None:
        raise not_found(Text(zh="用户", en="person"), str(person))
    administered = _is_administered(conn)
    conn.execute(DROP_ROLES, (person,))
    for role, unit in roles:
        if role not in get_args(RoleName):
            raise BadInput(
                "people.role",
                Text(zh="没有这个角色", en="There is no such role"),
                Text(zh="角色是 admin、steward、officer 之一", en="A role is one of admin, steward, officer"),
                role,
            )
        try:
            conn.execute(ADD_ROLE, (person, role, unit))
        except ForeignKeyViolation as fault:
            raise not_found(Text(zh="机构", en="unit"), unit) from fault
    if administered:
        _refuse_without_admin(conn)
    append(
        conn, kind="people.roles", actor=actor.label, subject=f"user:{person}", facts={"roles": [f"{r}@{u}" for r, u in roles]}
    )


def _is_administered(conn: Connection) -> bool:
    return conn.execute(ADMINS).fetchone() is not None


def _refuse_without_admin(conn: Connection) -> None:
    """Raise `Conflict` when no administrator is left: nobody could make one again from the pages."""
    if not _is_administered(conn):
        raise Conflict(
            "people.last-admin",
            Text(zh="这是最后一位管理员", en="This is the last administrator"),
            Text(zh="先让另一个人当管理员", en="Make somebody else an administrator first"),
        )


def held_roles(conn: Connection, person: int) -> tuple[Role, ...]:
    """The roles a person holds."""
    return tuple(Role(str(r["role"]), str(r["unit"]), str(r["path"])) for r in conn.execute(ROLES, (person,)))


def asker_for(conn: Connection, person: int, key_id: int | None = None) -> Asker | None:
    """The asker a person is, or None for one who was closed."""
    row = conn.execute(ONE, (person,)).fetchone()
    if row is None or row["state"] != "active":
        return None
    return Asker(str(row["name"]), person, key_id, held_roles(conn, person), str(row["lang"]))


def find_persons(city: City, text: str | None = None, limit: int = 50, offset: int = 0) -> tuple[list[Person], int]:
    """A page of people whose login or name holds `text`, and how many there are."""
    wanted: dict[str, Any] = {"text": text or None}
    rows = city.db.all(LIST, {**wanted, "limit": limit, "offset": offset})
    counted = city.db.one(COUNT_ALL, wanted)
    people = [
        Person(int(r["id"]), str(r["login"]), str(r["name"]), str(r["email"]), str(r["state"]), tuple(r["roles"])) for r in rows
    ]
    return people, int(counted["n"]) if counted else 0


def set_password(conn: Connection, actor: Asker, person: int, password: str) -> None:
    """Set a password (argon2id) and end every session; raises `BadInput` for one that is too short."""
    if len(password) < SHORTEST_PASSWORD:
        raise BadInput(
            "people.password-short",
            Text(zh="密码太短", en="The password is too short"),
            Text(zh=f"至少 {SHORTEST_PASSWORD} 个字符", en=f"At least {SHORTEST_PASSWORD} characters"),
        )
    conn.execute(SET_PASSWORD, (argon2.PasswordHasher().hash(password), person))
    conn.execute(END_SESSIONS, (person,))
    append(conn, kind="people.password", actor=actor.label, subject=f"user:{person}")


def check_password(conn: Connection, login: str, password: str) -> int | None:
    """The person who signs in with `login` and `password`, or None; takes as long for a login that is not there."""
    row = conn.execute(BY_LOGIN, (login.strip().lower(),)).fetchone()
    stored = str(row["password"]) if row and row["password"] else _nobodys_hash()
    try:
        argon2.PasswordHasher().verify(stored, password)
    except argon2.exceptions.VerifyMismatchError:
        return None
    return int(row["id"]) if row and row["password"] and row["state"] == "active" else None


@cache
def _nobodys_hash() -> str:
    # Made once: making one at each try would take an unknown login twice as long as a known one.
    return argon2.PasswordHasher().hash("nobody")


def set_state(conn: Connection, actor: Asker, person: int, state: Literal["active", "closed"]) -> None:
    """Close a person (sessions end, keys stop working) or open one again; raises `NotFound`, or
    `Conflict` for the last administrator.
    """
    administered = _is_administered(conn)
    if conn.execute(SET_STATE, (state, person)).fetchone() is None:
        raise not_found(Text(zh="用户", en="person"), str(person))
    if state == "closed":
        conn.execute(END_SESSIONS, (person,))
        if administered:
            _refuse_without_admin(conn)
    append(conn, kind="people.state", actor=actor.label, subject=f"user:{person}", facts={"state": state})
