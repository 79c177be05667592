"""What an attempt is: who asks what, one after another, and what a wrong guess would be answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sanqu.ground.people.askers import Asker

from .county import officer

Who = Callable[[int], Asker]


@dataclass(frozen=True)
class Attempt:
    """One try to learn what one may not: the queries of one asker, in order.

    Whatever comes back, rows or refusals, must hold none of the county's markers, and no figure of it, nor a difference
    of two, may be one person's. With `twin` (the same try with another guess) both must be answered alike: else the
    answer says whether the guess was right.
    """

    name: str
    asks: tuple[str, ...]
    who: Who = officer
    purpose: str = "relief"
    params: Mapping[str, Any] = field(default_factory=dict)
    twin: tuple[str, ...] = ()


def attempt(name: str, *asks: str, **how: Any) -> Attempt:
    """An attempt in one line of a table."""
    return Attempt(name, asks, **how)


def guess(name: str, sql: str, right: object, wrong: object, **how: Any) -> Attempt:
    """A query with `{}` for a guess that may be right or wrong: nobody may tell which."""
    return Attempt(name, (sql.replace("{}", str(right)),), twin=(sql.replace("{}", str(wrong)),), **how)
