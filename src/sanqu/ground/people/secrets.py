"""Tokens that are shown once and stored only as hashes."""

from __future__ import annotations

import hashlib
import secrets

# Of follow-up codes: no letters that look like digits.
LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"


def fresh_token(prefix: str = "") -> str:
    """A new token with 256 bits of chance, `prefix` in front so that leaks can be recognised."""
    return prefix + secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What is stored of a token; it has too much chance in it to need salt or slowness."""
    return hashlib.sha256(token.encode()).digest()


def fresh_code() -> str:
    """A follow-up code (查询码) that can be read out and typed in: 59 bits of chance."""
    letters = [secrets.choice(LETTERS) for _ in range(12)]
    return "-".join("".join(letters[i : i + 4]) for i in (0, 4, 8))


def plain_code(said: str) -> str:
    """A code as it is hashed, however it was typed."""
    return "".join(letter for letter in said.upper() if letter.isalnum())
