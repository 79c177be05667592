"""A proof that one entry is in the ledger: everything a stranger needs to check it offline."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from sanqu.ground.city import City
from sanqu.ground.errors import BadInput, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger.checkpoint import read_note, signer_of, suite_named
from sanqu.ground.ledger.log import integrate, node_reader
from sanqu.ground.ledger.merkle import inclusion_path, leaf_hash, root_from_path

NEWEST = "SELECT size, note FROM ledger_checkpoint ORDER BY size DESC LIMIT 1"
BODY = "SELECT body FROM ledger_entry WHERE index = %s"


@dataclass(frozen=True)
class Proof:
    """Entry number `index` with the text that was hashed, its path, the signed note, the public key (base64), the suite."""

    index: int
    body: str
    path: list[str]
    note: str
    public_key: str
    suite: str = "ed25519-sha256"


def prove(city: City, index: int) -> Proof:
    """The proof of entry `index` against the newest checkpoint; raises `NotFound` when there is no such entry."""
    integrate(city)
    with city.db.connection() as conn:
        # The entry first: a checkpoint read after it covers it.
        entry = conn.execute(BODY, (index,)).fetchone()
        newest = conn.execute(NEWEST).fetchone()
        if newest is None or entry is None:
            raise not_found(Text(zh="账本条目", en="ledger entry"), str(index))
        signer = signer_of(city)
        path = inclusion_path(node_reader(conn), index, int(newest["size"]), signer.suite.digest)
    return Proof(
        index=index,
        body=str(entry["body"]),
        path=[base64.b64encode(step).decode() for step in path],
        note=str(newest["note"]),
        public_key=base64.b64encode(signer.public).decode(),
        suite=signer.suite.name,
    )


def check(proof: Proof) -> int:
    """The size of the ledger that `proof` proves membership in; raises `BadInput` when it proves nothing."""
    suite = suite_named(proof.suite)
    size, root = read_note(proof.note, base64.b64decode(proof.public_key), suite)
    path = [base64.b64decode(step) for step in proof.path]
    try:
        reached = root_from_path(leaf_hash(proof.body.encode(), suite.digest), proof.index, size, path, suite.digest)
    except ValueError:
        reached = b""
    if reached != root:
        raise BadInput(
            "ledger.proof",
            Text(zh="证明不成立：算出的根与签名的根不同", en="The proof fails: the root it gives is not the one signed"),
            Text(zh="重新取得这一条的证明", en="Get the proof of this entry again"),
            str(proof.index),
        )
    return size
