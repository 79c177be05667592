"""Reads the whole ledger again and says whether anything in it was changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput
from sanqu.ground.ledger.checkpoint import digest_of, read_note, signer_of
from sanqu.ground.ledger.log import completed_nodes
from sanqu.ground.ledger.merkle import Digest, leaf_hash, root_hash

ENTRIES = "SELECT index, at, kind, actor, subject, body, leaf FROM ledger_entry ORDER BY index"
NODES = "SELECT level, index, hash FROM ledger_node"
CHECKPOINTS = "SELECT size, root, note FROM ledger_checkpoint ORDER BY size"


@dataclass
class Verdict:
    """What a reading of the whole ledger found."""

    entries: int = 0
    checkpoints: int = 0
    root: str = ""
    faults: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing was wrong."""
        return not self.faults


def verify(city: City, progress: Callable[[int], None] | None = None) -> Verdict:
    """Recompute every leaf, every root that was signed, and every signature; `progress` is told entries read.

    Names at most a hundred faults. Nothing stored is trusted but the signing key.
    """
    verdict, digest = Verdict(), digest_of(city)
    leaves: list[bytes] = []
    with city.db.connection() as conn:
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        with conn.cursor(name="ledger") as cursor:
            cursor.itersize = 5000
            for row in cursor.execute(ENTRIES):
                _check_entry(row, len(leaves), verdict, digest)
                leaves.append(leaf_hash(str(row["body"]).encode(), digest))
                if progress and len(leaves) % 5000 == 0:
                    progress(len(leaves))
        checkpoints = conn.execute(CHECKPOINTS).fetchall()
        inner = conn.execute(NODES).fetchall()
    verdict.entries = len(leaves)
    nodes = {(level, index): value for level, index, value in completed_nodes(lambda _l, _i: b"", 0, leaves, digest)}

    def read(level: int, index: int) -> bytes:
        return leaves[index] if level == 0 else nodes[level, index]

    signer = signer_of(city)
    for row in checkpoints:
        verdict.checkpoints += 1
        size = int(row["size"])
        if size > len(leaves):
            verdict.faults.append(f"checkpoint {size}: only {len(leaves)} entries are left")
            continue
        root = root_hash(read, size, digest)
        try:
            noted = read_note(str(row["note"]), signer.public, signer.suite)
        except BadInput as fault:
            verdict.faults.append(f"checkpoint {size}: {fault.what.en}")
            continue
        if noted != (size, root) or bytes(row["root"]) != root:
            verdict.faults.append(f"checkpoint {size}: the entries no longer give the root that was signed")
    if leaves and (not checkpoints or int(checkpoints[-1]["size"]) < len(leaves)):
        verdict.faults.append(f"entries after the last checkpoint: {len(leaves)} entries, none signed to the end")
    stored = {(int(row["level"]), int(row["index"])): bytes(row["hash"]) for row in inner}
    changed = sorted(place for place in nodes.keys() | stored.keys() if nodes.get(place) != stored.get(place))
    verdict.faults += [f"node {index} of level {level}: it is not the hash of what is below it" for level, index in changed[:10]]
    verdict.root = root_hash(read, len(leaves), digest).hex()
    del verdict.faults[100:]
    return verdict


def _check_entry(row: dict[str, object], expected: int, verdict: Verdict, digest: Digest) -> None:
    index = row["index"]
    if index != expected and len(verdict.faults) < 100:
        verdict.faults.append(f"entry {expected} is missing (found {index})")
    body = str(row["body"])
    if leaf_hash(body.encode(), digest) != bytes(row["leaf"]):  # type: ignore[call-overload]
        verdict.faults.append(f"entry {index}: its text was changed")
        return
    try:
        said = json.loads(body)
        said["at"] = datetime.fromisoformat(said["at"])
    except (ValueError, KeyError, TypeError):
        verdict.faults.append(f"entry {index}: its text is not an entry")
        return
    for name in ("at", "kind", "actor", "subject"):
        if said.get(name) != row[name]:
            verdict.faults.append(f"entry {index}: its {name} was changed")
