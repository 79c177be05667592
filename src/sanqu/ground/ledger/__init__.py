"""The ledger: an append-only Merkle log (RFC 9162) of everything that matters, with signed checkpoints."""

from sanqu.ground.ledger.log import APPEND, Entry, append, integrate, line_of, read_entries
from sanqu.ground.ledger.verify import verify

__all__ = ["APPEND", "Entry", "append", "integrate", "line_of", "read_entries", "verify"]
