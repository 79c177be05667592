"""The ledger: an append-only Merkle log (RFC 9162) of everything that matters, with signed checkpoints."""

from sanqu.ground.ledger.log import Entry, append, integrate, read_entries
from sanqu.ground.ledger.verify import verify

__all__ = ["Entry", "append", "integrate", "read_entries", "verify"]
