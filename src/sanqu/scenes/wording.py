"""What words of a scene's data are in English (`words.toml`), for readers of English."""

from __future__ import annotations

from collections.abc import Mapping


def in_english(value: str, words: Mapping[str, str]) -> str:
    """The value in English: the word for it as a whole, else each of its parts between spaces that is known; what is not known stays.

    >>> in_english("01 制造", {"制造": "manufacturing"})
    '01 manufacturing'
    """
    if value.isascii():
        return value
    whole = words.get(value)
    return whole if whole is not None else " ".join(words.get(part, part) for part in value.split(" "))
