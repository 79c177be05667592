"""What words of a scene's data are in English, for readers of English: names of counties, and what its `words.toml` says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sanqu.ground.city import City
from sanqu.ground.people.units import counties_in_english

PART = re.compile(r"[^ ,;()]+")


def english_of(city: City, words: Mapping[str, str]) -> dict[str, str]:
    """What is known in English in this city: its counties, and the scene's own words, which count where both know one."""
    return counties_in_english(city) | dict(words)


def in_english(value: str, words: Mapping[str, str]) -> str:
    """The value in English: the word for it as a whole, else each of its parts between spaces and signs of English that is known; what is not known stays.

    >>> in_english("01 制造", {"制造": "manufacturing"}), in_english("trade 制造; size ≥ 3 (is 2)", {"制造": "manufacturing"})
    ('01 manufacturing', 'trade manufacturing; size ≥ 3 (is 2)')
    """
    if value.isascii():
        return value
    whole = words.get(value)
    return whole if whole is not None else PART.sub(lambda part: words.get(part[0], part[0]), value)
