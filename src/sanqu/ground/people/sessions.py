"""Signing in: one-time links, sessions, and who a session cookie belongs to."""

from __future__ import annotations

from datetime import timedelta

from psycopg.errors import ForeignKeyViolation

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.persons import asker_for
from sanqu.ground.people.secrets import fresh_token, token_hash

LINK_HOURS = 24

ADD_LINK = "INSERT INTO person_link (token, person, expires) VALUES (%s, %s, %s)"
USE_LINK = "UPDATE person_link SET used = %(now)s WHERE token = %(token)s AND used IS NULL AND expires > %(now)s RETURNING person"
LINK_OPEN = "SELECT 1 FROM person_link WHERE token = %(token)s AND used IS NULL AND expires > %(now)s"
ADD_SESSION = "INSERT INTO person_session (token, person, expires, agent) VALUES (%s, %s, %s, %s)"
SESSION = "SELECT person, seen FROM person_session WHERE token = %s AND expires > %s"
TOUCH = "UPDATE person_session SET seen = %s, expires = %s WHERE token = %s"
END = "DELETE FROM person_session WHERE token = %s"
TIDY = "DELETE FROM person_session WHERE expires < now()"
SET_LANG = "UPDATE person SET lang = %s WHERE id = %s"


def make_link(conn: Connection, person: int, actor: Asker = SYSTEM) -> str:
    """A token that signs `person` in once, within a day; raises `NotFound`. The ledger says who made it."""
    token = fresh_token()
    try:
        conn.execute(ADD_LINK, (token_hash(token), person, now() + timedelta(hours=LINK_HOURS)))
    except ForeignKeyViolation as fault:
        raise not_found(Text(zh="用户", en="person"), str(person)) from fault
    append(conn, kind="people.link", actor=actor.label, subject=f"user:{person}")
    return token


def link_is_open(conn: Connection, token: str) -> bool:
    """Whether the link `token` can still sign someone in."""
    return conn.execute(LINK_OPEN, {"token": token_hash(token), "now": now()}).fetchone() is not None


def use_link(city: City, token: str, agent: str) -> str:
    """Spend a sign-in link; returns the token of the session it opened. Raises `Refused` for a link that is spent."""
    with city.db.connection() as conn:
        row = conn.execute(USE_LINK, {"token": token_hash(token), "now": now()}).fetchone()
        if row is None:
            raise Refused(
                "people.link-spent",
                Text(zh="登录链接已用过或已过期", en="The sign-in link was used or has run out"),
                Text(zh="请管理员再发一个：sanqu link", en="Ask an administrator for another: sanqu link"),
            )
        return open_session(city, conn, int(row["person"]), agent)


def open_session(city: City, conn: Connection, person: int, agent: str) -> str:
    """Open a session for `person`; returns its token, which only the browser keeps."""
    token = fresh_token()
    expires = now() + timedelta(hours=city.settings.session_hours)
    conn.execute(TIDY)
    conn.execute(ADD_SESSION, (token_hash(token), person, expires, agent[:200]))
    append(conn, kind="people.sign-in", actor=f"user:{person}", subject=f"user:{person}")
    return token


def asker_of_session(city: City, token: str) -> Asker | None:
    """Who the session `token` belongs to, or None when it has ended; using it keeps it alive."""
    with city.db.connection() as conn:
        at = now()
        row = conn.execute(SESSION, (token_hash(token), at)).fetchone()
        if row is None:
            return None
        if at - row["seen"] > timedelta(minutes=5):
            conn.execute(TOUCH, (at, at + timedelta(hours=city.settings.session_hours), token_hash(token)))
        return asker_for(conn, int(row["person"]))


def end_session(city: City, token: str) -> None:
    """Sign out."""
    with city.db.connection() as conn:
        conn.execute(END, (token_hash(token),))


def set_lang(city: City, person: int, lang: str) -> None:
    """Remember the language a person reads in."""
    with city.db.connection() as conn:
        conn.execute(SET_LANG, (lang, person))
