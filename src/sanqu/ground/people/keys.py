"""API keys (接口密钥): a program asks in a person's name."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.ground.people.persons import asker_for
from sanqu.ground.people.secrets import fresh_token, token_hash

ADD = "INSERT INTO api_key (person, name, prefix, hash, expires) VALUES (%s, %s, %s, %s, %s) RETURNING id"
FIND = "SELECT id, person FROM api_key WHERE hash = %s AND revoked IS NULL AND (expires IS NULL OR expires > %s)"
REVOKE = "UPDATE api_key SET revoked = %(now)s WHERE id = %(id)s AND revoked IS NULL AND (%(person)s::bigint IS NULL OR person = %(person)s) RETURNING id"
USED = "UPDATE api_key SET used = %s WHERE id = %s"
LIST = """
SELECT k.id, k.person, p.login, k.name, k.prefix, k.created, k.expires, k.revoked, k.used
FROM api_key k JOIN person p ON p.id = k.person
WHERE %(person)s::bigint IS NULL OR k.person = %(person)s
ORDER BY k.id DESC LIMIT %(limit)s OFFSET %(offset)s
"""


@dataclass(frozen=True)
class Key:
    """An API key as lists show it: its first letters, never the whole."""

    id: int
    person: int
    login: str
    name: str
    prefix: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    used: datetime | None


def make_key(conn: Connection, actor: Asker, person: int, name: str, expires: datetime | None = None) -> str:
    """A new key that asks in the name of `person`; the text returned is shown once and not kept."""
    token = fresh_token("sq_")
    row = conn.execute(ADD, (person, name.strip() or "key", token[:8], token_hash(token), expires)).fetchone()
    assert row is not None
    append(conn, kind="people.key", actor=actor.label, subject=f"key:{row['id']}", facts={"person": person})
    return token


def revoke_key(conn: Connection, actor: Asker, key: int, person: int | None = None) -> None:
    """Stop a key; with `person`, only one of that person's. Raises `NotFound`."""
    if conn.execute(REVOKE, {"now": now(), "id": key, "person": person}).fetchone() is None:
        raise not_found(Text(zh="有效密钥", en="working key"), str(key))
    append(conn, kind="people.key-revoked", actor=actor.label, subject=f"key:{key}")


def list_keys(city: City, person: int | None = None, limit: int = 50, offset: int = 0) -> list[Key]:
    """Keys, the newest first; of one person, or of all."""
    wanted: dict[str, Any] = {"person": person, "limit": limit, "offset": offset}
    with city.db.connection() as conn, conn.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(LIST, wanted).fetchall()


class KeyCache:
    """Remembers for some seconds who a key belongs to, so that a busy program costs no look-up per request."""

    SECONDS = 10.0
    MOST = 4096

    def __init__(self, _city: City) -> None:
        self._seen: dict[bytes, tuple[float, Asker | None]] = {}
        self._lock = threading.Lock()

    def get(self, hashed: bytes) -> tuple[bool, Asker | None]:
        """Whether the key is remembered, and whose it is."""
        found = self._seen.get(hashed)
        if found is None or found[0] < time.monotonic():
            return False, None
        return True, found[1]

    def put(self, hashed: bytes, asker: Asker | None) -> None:
        """Remember whose key this is."""
        with self._lock:
            if len(self._seen) >= self.MOST:
                self._seen.clear()
            self._seen[hashed] = (time.monotonic() + self.SECONDS, asker)


def asker_of_key(city: City, token: str) -> Asker | None:
    """Who the key `token` asks for, or None when it does not work (a revoked key stops within ten seconds)."""
    cache = city.part(KeyCache, KeyCache)
    hashed = token_hash(token)
    known, asker = cache.get(hashed)
    if known:
        return asker
    with city.db.connection() as conn:
        row = conn.execute(FIND, (hashed, now())).fetchone()
        found = asker_for(conn, int(row["person"]), int(row["id"])) if row else None
        if row and found:
            conn.execute(USED, (now(), row["id"]))
    cache.put(hashed, found)
    return found
