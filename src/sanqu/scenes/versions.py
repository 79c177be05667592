"""Versions of scenes (semver.org 2.0.0, without pre-releases), and ranges of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text

WRITTEN = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")
BOUND = re.compile(r"\s*(>=|<=|>|<|=|\^|~)?\s*([0-9.]+)\s*")


class Version(NamedTuple):
    """Major, minor, patch; compares as they do."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True)
class Range:
    """All versions from `least` on, below `below` where there is one."""

    text: str
    least: Version
    below: Version | None

    def __contains__(self, version: Version) -> bool:
        return version >= self.least and (self.below is None or version < self.below)


def parse_version(said: str) -> Version:
    """`1.4.0` as a version; raises `BadInput`."""
    found = WRITTEN.fullmatch(said.strip())
    if found is None:
        raise BadInput("scenes.version", Text(zh=f"版本号写法不对：{said[:40]}", en=f"This is no version: {said[:40]}"), Text(zh="写成 1.0.0", en="Write 1.0.0"), said[:40])
    return Version(*(int(part) for part in found.groups()))


def parse_range(said: str) -> Range:
    """`^1.2.0`, `~1.2.0`, `=1.2.0`, `>=1.2.0`, `>=1.0.0, <2.0.0` or `*` as a range; raises `BadInput`.

    >>> Version(1, 9, 0) in parse_range("^1.2.0"), Version(2, 0, 0) in parse_range("^1.2.0")
    (True, False)
    """
    if said.strip() in ("", "*"):
        return Range("*", Version(0, 0, 0), None)
    least, below = Version(0, 0, 0), None
    for part in said.split(","):
        found = BOUND.fullmatch(part)
        if found is None:
            raise BadInput("scenes.range", Text(zh=f"版本范围写法不对：{said[:40]}", en=f"This is no range of versions: {said[:40]}"), Text(zh="写成 ^1.0.0 或 >=1.0.0, <2.0.0", en="Write ^1.0.0 or >=1.0.0, <2.0.0"), said[:40])
        low, high = _bounds(found[1] or "=", parse_version(found[2]))
        least = max(least, low)
        below = high if below is None else below if high is None else min(below, high)
    return Range(said.strip(), least, below)


def _bounds(sign: str, one: Version) -> tuple[Version, Version | None]:
    after = Version(one.major, one.minor, one.patch + 1)
    none = Version(0, 0, 0)
    match sign:
        case "^":
            return one, Version(one.major + 1, 0, 0) if one.major else Version(0, one.minor + 1, 0)
        case "~":
            return one, Version(one.major, one.minor + 1, 0)
        case ">=":
            return one, None
        case ">":
            return after, None
        case "<":
            return none, one
        case "<=":
            return none, after
    return one, after
