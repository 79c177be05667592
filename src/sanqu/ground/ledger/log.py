"""Writes entries in the caller's transaction and strings them onto the Merkle log in the order they committed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.ledger.checkpoint import digest_of, sign_note
from sanqu.ground.ledger.merkle import Digest, NodeReader, leaf_hash, node_hash, root_hash, sha256

SEQUENCER_LOCK = 7_530_002

APPEND = "INSERT INTO ledger_pending (body) VALUES (%s)"
TAKE_PENDING = """
DELETE FROM ledger_pending WHERE id IN (SELECT id FROM ledger_pending ORDER BY id LIMIT 5000)
RETURNING id, body
"""
SIZE = "SELECT coalesce(max(index) + 1, 0) AS size FROM ledger_entry"
ADD_ENTRY = "COPY ledger_entry (index, at, kind, actor, subject, body, leaf) FROM STDIN"
ADD_NODE = "COPY ledger_node (level, index, hash) FROM STDIN"
READ_LEAF = "SELECT leaf AS hash FROM ledger_entry WHERE index = %s"
READ_NODE = "SELECT hash FROM ledger_node WHERE level = %s AND index = %s"
ADD_CHECKPOINT = "INSERT INTO ledger_checkpoint (size, root, at, note) VALUES (%s, %s, %s, %s)"
READ_ENTRIES = """
SELECT index, at, kind, actor, subject, body FROM ledger_entry
WHERE index < %(before)s
  AND (%(kind)s::text IS NULL OR kind = %(kind)s OR kind LIKE %(kind)s || '.%%')
  AND (%(actor)s::text IS NULL OR actor = %(actor)s)
  AND (%(subject)s::text IS NULL OR subject = %(subject)s)
ORDER BY index DESC LIMIT %(limit)s
"""


@dataclass(frozen=True)
class Entry:
    """One line of the ledger; `body` is the canonical JSON that was hashed."""

    index: int
    at: datetime
    kind: str
    actor: str
    subject: str
    body: str

    @property
    def facts(self) -> dict[str, Any]:
        """What the entry says besides who, what and when."""
        found: dict[str, Any] = json.loads(self.body)["facts"]
        return found


def canonical(value: Mapping[str, object]) -> str:
    """JSON with sorted keys and no spaces: one text for one meaning (in the spirit of RFC 8785)."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def append(conn: Connection, *, kind: str, actor: str, subject: str, facts: Mapping[str, object] | None = None) -> None:
    """Write one line, in the caller's transaction: it is in the ledger if and only if that commits.

    `kind` is `room.verb`, `actor` is `Asker.label`, `subject` is `dataset:air` or the like. No personal data, no secrets.
    """
    conn.execute(APPEND, (line_of(kind, actor, subject, facts),))


def line_of(kind: str, actor: str, subject: str, facts: Mapping[str, object] | None = None) -> str:
    """A line as `append` writes it, for a room that writes one of its own rows in the same statement (`APPEND`)."""
    body = {"at": now().isoformat(), "kind": kind, "actor": actor, "subject": subject, "facts": dict(facts or {})}
    # PostgreSQL text cannot hold NUL; the JSON escape of it stays as text.
    return canonical(body)


def node_reader(conn: Connection) -> NodeReader:
    """Reads hashes of complete subtrees from the tables, each once."""
    seen: dict[tuple[int, int], bytes] = {}

    def read(level: int, index: int) -> bytes:
        if (level, index) not in seen:
            row = conn.execute(READ_LEAF, (index,)) if level == 0 else conn.execute(READ_NODE, (level, index))
            found = row.fetchone()
            if found is None:
                raise LookupError(f"the ledger misses node {index} of level {level}")
            seen[level, index] = bytes(found["hash"])
        return seen[level, index]

    return read


def completed_nodes(
    read: NodeReader, start: int, leaves: list[bytes], digest: Digest = sha256
) -> list[tuple[int, int, bytes]]:  # fmt: skip
    """The inner nodes that become complete when `leaves` follow leaf number `start` - 1."""
    fresh: dict[tuple[int, int], bytes] = {(0, start + i): leaf for i, leaf in enumerate(leaves)}

    def hash_of(level: int, index: int) -> bytes:
        return fresh[level, index] if (level, index) in fresh else read(level, index)

    made: list[tuple[int, int, bytes]] = []
    level, first, end = 0, start, start + len(leaves)
    while end > 1:
        level, first, end = level + 1, first >> 1, end >> 1
        for index in range(first, end):
            value = node_hash(hash_of(level - 1, 2 * index), hash_of(level - 1, 2 * index + 1), digest)
            fresh[level, index] = value
            made.append((level, index, value))
    return made


def integrate(city: City) -> int:
    """String what has committed onto the log and sign a checkpoint; returns how many entries were added.

    Safe to call from any process at any time: one does the work, the others wait for it.
    """
    added = 0
    while True:
        with city.db.connection() as conn:
            conn.execute("SELECT pg_advisory_xact_lock(%s)", (SEQUENCER_LOCK,))
            batch = _integrate_batch(city, conn)
        added += batch
        if batch == 0:
            return added


def _integrate_batch(city: City, conn: Connection) -> int:
    taken = sorted(conn.execute(TAKE_PENDING).fetchall(), key=lambda row: int(row["id"]))
    if not taken:
        return 0
    sized = conn.execute(SIZE).fetchone()
    start = int(sized["size"]) if sized else 0
    bodies = [str(row["body"]) for row in taken]
    digest = digest_of(city)
    leaves = [leaf_hash(body.encode(), digest) for body in bodies]
    read = node_reader(conn)
    nodes = completed_nodes(read, start, leaves, digest)
    with conn.cursor() as cursor, cursor.copy(ADD_ENTRY) as copy:
        for offset, (body, leaf) in enumerate(zip(bodies, leaves, strict=True)):
            said = json.loads(body)
            copy.write_row((start + offset, said["at"], said["kind"], said["actor"], said["subject"], body, leaf))
    if nodes:
        with conn.cursor() as cursor, cursor.copy(ADD_NODE) as copy:
            for node in nodes:
                copy.write_row(node)
    size = start + len(leaves)
    root = root_hash(node_reader(conn), size, digest)
    at = now()
    conn.execute(ADD_CHECKPOINT, (size, root, at, sign_note(city, size, root)))
    return len(leaves)


def read_entries(
    city: City,
    *,
    before: int | None = None,
    kind: str | None = None,
    actor: str | None = None,
    subject: str | None = None,
    limit: int = 50,
) -> list[Entry]:
    """The newest entries with an index below `before`, narrowed by exact actor and subject and by kind or its room."""
    wanted = {"before": before if before is not None else 2**62, "kind": kind, "actor": actor, "subject": subject}
    with city.db.connection() as conn, conn.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(READ_ENTRIES, {**wanted, "limit": limit}).fetchall()
