"""The draw (双随机抽取) as a function of a file: this module needs nothing but Python, and may be taken away to check a draw.

    python draw.py FILE        repeats the draw of a verify file

What is drawn is fixed by four texts: the lists (canonical JSON), their digest, a secret seed that was committed to before the
draw, and the word of a witness (见证码) that was said after the commitment. Targets are drawn without replacement, each group to
its quota, with chances that follow their weights (Efraimidis and Spirakis 2006: the smallest of -ln(u)/w); u comes from
HMAC-SHA256, ln from `decimal`, whose results are the same on every machine. Inspectors then go in teams, the least loaded first,
never to a target that they must avoid (回避); where a cap on visits leaves none, others are moved to make room.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path
from typing import Any

VERSION = "sanqu.draw/1"
# Thirty digits more than a double has: no two of a million targets tie by rounding.
EXACT = Context(prec=50, rounding=ROUND_HALF_EVEN)
WIDTH = Decimal(2) ** 256


class DrawFault(ValueError):
    """A draw that cannot be made, or a file that is not what was drawn; the text says which part."""


@dataclass(frozen=True)
class Drawn:
    """One drawn target and the inspectors who go, by team; all are numbers of the lists (opaque hashes)."""

    target: str
    group: str
    inspectors: tuple[str, ...]


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: one text for one meaning."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest_of(lists: Mapping[str, Any]) -> str:
    """The SHA-256 (hex) of the lists' canonical text."""
    return hashlib.sha256(canonical(lists).encode()).hexdigest()


def commitment_of(seed: bytes, digest: str) -> str:
    """What is written to the ledger before the draw: it binds seed and lists, and tells nothing of the seed."""
    return hashlib.sha256(f"{VERSION}\n{seed.hex()}\n{digest}".encode()).hexdigest()


def opaque(salt: str, name: str) -> str:
    """The number under which a target or an inspector stands in the lists: only who knows the salt knows whose it is."""
    return hashlib.sha256(f"{salt}\n{name}".encode()).hexdigest()


def key_of(seed: bytes, digest: str, witness: str) -> bytes:
    """The key of all chance in a draw; the witness's word comes after the commitment, so that no seed can be chosen for it."""
    return hmac.new(seed, f"{VERSION}\n{digest}\n{witness}".encode(), hashlib.sha256).digest()


def chance(key: bytes, what: str) -> Decimal:
    """A number between 0 and 1, never either, that `key` gives to `what`."""
    number = int.from_bytes(hmac.new(key, what.encode(), hashlib.sha256).digest(), "big")
    return EXACT.divide(Decimal(number) + Decimal("0.5"), WIDTH)


def rank(key: bytes, target: str, weight: Decimal) -> Decimal:
    """Where a target stands in its group; the smallest are drawn."""
    return EXACT.divide(EXACT.ln(chance(key, f"target\n{target}")).copy_negate(), weight)


def draw(lists: Mapping[str, Any], seed: bytes, witness: str = "") -> tuple[Drawn, ...]:
    """What is drawn from `lists` (`targets`, `inspectors`, `quota`, `teams`, `most`) with this seed and word.

    Raises `DrawFault` when a weight is not positive or a target has too few inspectors who may go.
    """
    key = key_of(seed, digest_of(lists), witness)
    chosen = [target for group, take in sorted(lists["quota"].items()) for target in _sample(key, lists, group, int(take))]
    teams = _Teams(key, lists)
    for target in chosen:
        teams.send(target["id"])
    return tuple(Drawn(one["id"], one["group"], teams.who_goes(one["id"])) for one in chosen)


def _sample(key: bytes, lists: Mapping[str, Any], group: str, take: int) -> list[Mapping[str, Any]]:
    ranked = []
    for target in lists["targets"]:
        if target["group"] == group:
            weight = Decimal(str(target["weight"]))
            if not weight.is_finite() or weight <= 0:
                raise DrawFault(f"the weight of target {target['id']} is not above 0")
            ranked.append((rank(key, target["id"], weight), target["id"], target))
    return [target for _, _, target in sorted(ranked, key=lambda one: one[:2])[:take]]


class _Teams:
    """Who goes where; kept so that the same lists and key always give the same teams."""

    def __init__(self, key: bytes, lists: Mapping[str, Any]) -> None:
        self.key = key
        self.counts: dict[str, int] = {str(team["unit"]): int(team["count"]) for team in lists["teams"]}
        self.most = int(lists["most"])
        self.members: dict[str, list[Mapping[str, Any]]] = {unit: [] for unit in self.counts}
        for one in lists["inspectors"]:
            self.members[one["team"]].append(one)
        self.avoids = {one["id"]: frozenset(one["avoids"]) for one in lists["inspectors"]}
        self.visits: dict[str, list[str]] = {one["id"]: [] for one in lists["inspectors"]}

    def who_goes(self, target: str) -> tuple[str, ...]:
        """The inspectors of a target, team by team."""
        return tuple(
            one["id"] for unit in self.counts for one in sorted(self.members[unit], key=lambda each: str(each["id"]))
            if target in self.visits[one["id"]]
        )  # fmt: skip

    def send(self, target: str) -> None:
        """Find a full team of each unit for a target."""
        for unit, count in self.counts.items():
            able = [one["id"] for one in self.members[unit] if target not in self.avoids[one["id"]]]
            if len(able) < count:
                raise DrawFault(f"fewer than {count} inspectors of {unit} may go to target {target}")
            for _ in range(count):
                # Where all visits that the cap allows are taken, the cap rises by one for everybody: a target is never left out.
                while not self._place(target, unit, set()):
                    self.most += 1

    def _place(self, target: str, unit: str, tried: set[str]) -> bool:
        """Give a target one more inspector, moving earlier ones elsewhere where that makes room (an augmenting path)."""
        free = [one["id"] for one in self.members[unit] if self._may(one["id"], target) and one["id"] not in tried]
        free.sort(key=lambda one: (len(self.visits[one]), chance(self.key, f"inspector\n{target}\n{one}")))
        for one in free:
            if one in tried:
                continue
            tried.add(one)
            if len(self.visits[one]) < self.most:
                self.visits[one].append(target)
                return True
            for other in list(self.visits[one]):
                self.visits[one].remove(other)
                if self._place(other, unit, tried):
                    self.visits[one].append(target)
                    return True
                self.visits[one].append(other)
        return False

    def _may(self, one: str, target: str) -> bool:
        return target not in self.avoids[one] and target not in self.visits[one]


def repeat(file: Mapping[str, Any]) -> tuple[Drawn, ...]:
    """Repeat the draw of a verify file and compare; raises `DrawFault` naming the part that does not agree."""
    try:
        lists, seed = file["lists"], bytes.fromhex(file["seed"])
        said = [(one["target"], one["group"], tuple(one["inspectors"])) for one in file["result"]]
        if lists["v"] != VERSION:
            raise DrawFault(f"the version {lists['v']} is not known here")
        if digest_of(lists) != file["digest"]:
            raise DrawFault("the lists are not those of the digest")
        if commitment_of(seed, file["digest"]) != file["commitment"]:
            raise DrawFault("the seed is not the one that was committed to")
        for kind, listed in (("targets", lists["targets"]), ("inspectors", lists["inspectors"])):
            _check_names(file.get("names", {}).get(kind, []), {one["id"] for one in listed}, kind)
        drawn = draw(lists, seed, file["witness"])
    except (KeyError, TypeError, ArithmeticError, AttributeError) as fault:
        raise DrawFault(f"the file is not a verify file: {type(fault).__name__}: {fault}") from fault
    if [(one.target, one.group, one.inspectors) for one in drawn] != said:
        raise DrawFault("the draw gives another result than the file says")
    return drawn


def _check_names(names: Sequence[Mapping[str, str]], known: set[str], kind: str) -> None:
    for one in names:
        if one["number"] not in known or opaque(one["salt"], one["id"]) != one["number"]:
            raise DrawFault(f"{one['id']} is not what stands behind its number among the {kind}")


def main(arguments: Sequence[str]) -> int:
    """Repeat the draw of the file named; 0 when it agrees, 1 when not, 2 when it was not asked rightly."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python draw.py FILE\n")
        return 2
    try:
        drawn = repeat(json.loads(Path(arguments[0]).read_text("utf-8")))
    except (OSError, ValueError) as fault:
        print(f"✗ {fault}")
        return 1
    print(f"✓ {len(drawn)} 个对象重抽一致 · targets drawn again, with the same inspectors")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
