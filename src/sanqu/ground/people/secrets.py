"""Tokens that are shown once and stored only as hashes."""

from __future__ import annotations

import hashlib
import secrets


def fresh_token(prefix: str = "") -> str:
    """A new token with 256 bits of chance, `prefix` in front so that leaks can be recognised."""
    return prefix + secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What is stored of a token; it has too much chance in it to need salt or slowness."""
    return hashlib.sha256(token.encode()).digest()
