"""Makes attempts through the public doors and reads all that comes back for what must not be there."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.errors import SanquError
from sanqu.ground.people.askers import Asker
from sanqu.sharing.door import Question, ask
from sanqu.sharing.grants import Granted
from sanqu.sharing.rewrite import MARK

from .attempts import Attempt
from .county import DEEDS, EVERYONE, ROAD_LABELS, ROAD_METRES, ROAD_PLANS, SHOP_SECRETS, TOWNS

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
# More figures than this are held against the markers one by one only.
MOST_FIGURES = 300


class Hall:
    """One city under attack; every attempt is made by askers of its own, so that none is refused for another's."""

    def __init__(self, city: City, granted: Sequence[Granted]) -> None:
        self.city, self.granted = city, granted
        self._numbers = itertools.count(1000)
        settings = city.settings
        self._machine = [
            settings.lake_folder, str(settings.home), settings.database_url, "ducklake_", MARK, "_sanqu_secret",
            *(one.secret for one in granted),
        ]  # fmt: skip

    def try_(self, attempt: Attempt) -> None:
        """Make the attempt; raises `AssertionError` naming what came out."""
        said = self._said(attempt, attempt.asks)
        if attempt.twin:
            other = self._said(attempt, attempt.twin)
            right, wrong = self._shape(said), self._shape(other)
            assert right == wrong, f"{attempt.name}: a right guess is answered otherwise than a wrong one: {right}, {wrong}"

    def newcomer(self, attempt: Attempt) -> Asker:
        """An asker whom nothing was told yet."""
        return attempt.who(next(self._numbers))

    def _said(self, attempt: Attempt, asks: Sequence[str]) -> list[Any]:
        asker = self.newcomer(attempt)
        said = [self._one(asker, sql, attempt) for sql in asks]
        leak = self.leak_in(said, asker, " ".join([*asks, *map(str, attempt.params)]))
        assert leak is None, f"{attempt.name}: {leak} came out"
        return said

    def _one(self, asker: Asker, sql: str, attempt: Attempt) -> Any:
        try:
            answer = ask(self.city, asker, Question(sql, attempt.purpose, attempt.params))
        except SanquError as fault:
            # What the attacker wrote comes back to him; that is no leak.
            return {"code": fault.code, "what": fault.what.zh + fault.what.en, "todo": fault.todo.zh + fault.todo.en,
                    "facts": fault.facts, "thing": fault.thing}  # fmt: skip
        return {"rows": answer.table.to_pylist(), "columns": answer.table.column_names, "more": answer.more,
                "facts": answer.decision.as_facts()}  # fmt: skip

    def _shape(self, said: Sequence[Any]) -> list[Any]:
        return [(one.get("code"), one.get("rows"), one.get("what") if "code" in one else None) for one in said]

    def leak_in(self, said: Any, asker: Asker, asked: str = "") -> str | None:
        """The first thing in `said` that `asker` must not know; what stands in the question already is no leak."""
        texts = [text for text in texts_in(said) if text not in asked]
        whole = "\n".join(texts)
        for marker in self._forbidden(asker):
            if marker in whole and marker not in asked:
                return marker
        rows = [row for one in said if isinstance(one, dict) for row in one.get("rows", ())]
        if any(_names_illness(row) for row in rows):
            return "a person with a diagnosis"
        return _figure(rows, asked)

    def _forbidden(self, asker: Asker) -> Iterator[str]:
        yield from self._machine
        for one in EVERYONE:
            yield from (one.note, one.id, one.phone, one.badge)
        yield from (*SHOP_SECRETS, *ROAD_PLANS, *DEEDS)
        codes = {code for role in asker.held for code in TOWNS if code.startswith(role.unit)}
        for number, label in enumerate(ROAD_LABELS):
            if TOWNS[number % 3] not in codes:
                yield label
                yield str(ROAD_METRES[number])


def texts_in(said: Any) -> Iterator[str]:
    """Every text in an answer, however deep, numbers and times as text too."""
    match said:
        case dict():
            for key, value in said.items():
                yield from texts_in(key)
                yield from texts_in(value)
        case list() | tuple() | set() | frozenset():
            for value in said:
                yield from texts_in(value)
        case bytes():
            yield said.decode("utf-8", "replace")
        case _:
            yield str(said)


def _names_illness(row: Any) -> bool:
    """Whether one row says both who someone is and what he has."""
    texts = "\n".join(texts_in(list(row.values())))
    return bool(re.search(r"\bDX\d", texts)) and bool(re.search(r"\bperson \d+|139\*", texts))


# What one person's figure looks like, and how near to it a figure may not come.
MARKERS = sorted(
    [(one.income, 1e-3) for one in EVERYONE]
    + [(float(one.savings), 0.4) for one in EVERYONE if one.savings is not None]
    + [(float(one.rank), 0.4) for one in EVERYONE]
)  # fmt: skip


def _figure(rows: Sequence[Any], asked: str) -> str | None:
    """A figure in the rows, or a difference of figures or of their sums, that is one person's."""
    known = {float(text) for text in NUMBER.findall(asked)}
    figures = [number for row in rows for number in _numbers_in(row)]
    times = [number * count for row in rows for number in _numbers_in(row) for count in _counts_in(row)]
    found = {round(number, 6) for number in (*figures, *times) if number == number and abs(number) < 1e15} - known
    if len(found) <= MOST_FIGURES:
        sums = _sums(rows)
        found |= {abs(a - b) for a in {*found, *sums} for b in {*found, *sums}}
    for number in found:
        for marker, near in MARKERS:
            if abs(number - marker) < near and not any(abs(number - told) < near for told in known):
                return f"the figure {marker}"
    return None


def _sums(rows: Sequence[Any]) -> set[float]:
    """What the figures of each column add up to, with and without the largest (the total of a ROLLUP)."""
    columns: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            columns.setdefault(name, []).extend(_numbers_in({name: value}))
    sums = [sum(column) for column in columns.values()] + [sum(column) - max(column) for column in columns.values() if column]
    return {total for total in sums if total == total and abs(total) < 1e15}


def _numbers_in(row: Any) -> Iterable[float]:
    for value in row.values() if isinstance(row, dict) else row:
        match value:
            case bool() | None | date() | datetime():
                continue
            case int() | float() | Decimal():
                yield float(value)
            case str():
                yield from (float(text) for text in NUMBER.findall(value)[:20] if len(text) < 300)
            case list() | tuple() | dict():
                yield from _numbers_in(value)


def _counts_in(row: Any) -> list[int]:
    return [value for value in row.values() if type(value) is int and 1 < value <= len(EVERYONE)] if isinstance(row, dict) else []
