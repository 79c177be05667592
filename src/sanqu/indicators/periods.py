"""Periods (报告期): a year, a quarter, a month, written as SDMX writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Literal

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text

Kind = Literal["A", "Q", "M"]
PARTS: dict[Kind, int] = {"A": 1, "Q": 4, "M": 12}
WRITTEN = re.compile(r"(?P<year>[0-9]{4})(?:-Q(?P<quarter>[1-4])|-(?P<month>0[1-9]|1[0-2]))?")


@total_ordering
@dataclass(frozen=True)
class Period:
    """A year and which part of it, from 1; `kind` says into how many parts the year goes (SDMX 3.0, 2, §4.2.6: A, Q, M)."""

    kind: Kind
    year: int
    part: int = 1

    def __str__(self) -> str:
        match self.kind:
            case "A":
                return f"{self.year:04}"
            case "Q":
                return f"{self.year:04}-Q{self.part}"
        return f"{self.year:04}-{self.part:02}"

    def __lt__(self, other: Period) -> bool:
        """Whether it ends earlier; of two that end together, the shorter comes first."""
        return (self.end, PARTS[other.kind]) < (other.end, PARTS[self.kind])

    @property
    def end(self) -> float:
        """When it ends, in years: 2021 ends at 2022.0, the first quarter of 2022 at 2022.25."""
        return self.year + self.part / PARTS[self.kind]

    def plus(self, parts: int) -> Period:
        """The period so many of its own kind later (earlier, where negative).

        >>> str(Period("Q", 2021, 1).plus(-1))
        '2020-Q4'
        """
        count = self.year * PARTS[self.kind] + self.part - 1 + parts
        return Period(self.kind, count // PARTS[self.kind], count % PARTS[self.kind] + 1)

    @property
    def before(self) -> Period:
        """The one before (环比)."""
        return self.plus(-1)

    @property
    def year_before(self) -> Period:
        """The same of the year before (同比)."""
        return self.plus(-PARTS[self.kind])


def parse_period(said: object, thing: str = "") -> Period:
    """`2025`, `2025-Q3` or `2025-09` as a period; raises `BadInput` naming `thing`.

    >>> parse_period("2025-Q3")
    Period(kind='Q', year=2025, part=3)
    """
    found = WRITTEN.fullmatch(str(said).strip())
    if found is None:
        raise BadInput(
            "indicators.period",
            Text(zh=f"报告期读不懂：{said}", en=f"This is no period: {said}"),
            Text(zh="写成 2025、2025-Q3 或 2025-09", en="Write 2025, 2025-Q3 or 2025-09"),
            thing,
        )
    year = int(found["year"])
    if found["quarter"]:
        return Period("Q", year, int(found["quarter"]))
    return Period("M", year, int(found["month"])) if found["month"] else Period("A", year)
