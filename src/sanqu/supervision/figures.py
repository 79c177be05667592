"""Figures of supervision: coverage, problems by credit grade, how often a firm was bothered (无事不扰)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sanqu.ground.city import City
from sanqu.ground.people.askers import Asker
from sanqu.supervision.plans import YEAR, require_staff, sees_all_of

GRADES = """
SELECT i.grade AS name, count(*) AS drawn, count(i.visited) AS visited, count(*) FILTER (WHERE i.problems > 0 OR i.result NOT IN ('none', 'inactive')) AS found,
    count(*) FILTER (WHERE i.state IN ('correcting', 'rechecking')) AS correcting, count(i.corrected) AS corrected
FROM supervision_inspection i JOIN supervision_plan p ON p.number = i.plan
WHERE (%(everywhere)s OR p.units && %(reach)s::text[]) AND i.state <> 'void' AND i.drawn >= %(since)s GROUP BY 1 ORDER BY 1
"""
BOTHERED = """
SELECT times AS name, count(*) AS firms FROM (
    SELECT i.target, count(*) AS times FROM supervision_inspection i JOIN supervision_plan p ON p.number = i.plan
    WHERE (%(everywhere)s OR p.units && %(reach)s::text[]) AND i.state <> 'void' AND i.drawn >= %(since)s GROUP BY 1) t
GROUP BY 1 ORDER BY 1
"""
# Of how many firms was drawn: those of the newest standing draws, each firm once.
UNIVERSE = """
SELECT count(DISTINCT t ->> 'id') AS n FROM supervision_draw d JOIN supervision_plan p ON p.number = d.plan,
    jsonb_array_elements(d.names -> 'targets') t
WHERE (%(everywhere)s OR p.units && %(reach)s::text[]) AND d.state = 'drawn' AND d.committed >= %(since)s
"""


@dataclass(frozen=True)
class GradeFigures:
    """How inspections of firms of a grade went."""

    grade: str
    drawn: int
    visited: int
    found: int
    correcting: int
    corrected: int

    @property
    def problem_rate(self) -> float | None:
        """The share of visits that found a problem."""
        return self.found / self.visited if self.visited else None


@dataclass(frozen=True)
class Figures:
    """Figures of the last 365 days; `bothered` is how many firms were drawn how many times."""

    universe: int
    firms: int
    grades: tuple[GradeFigures, ...]
    bothered: tuple[tuple[int, int], ...]

    @property
    def coverage(self) -> float | None:
        """The share of firms that were drawn at least once."""
        return self.firms / self.universe if self.universe else None

    @property
    def drawn(self) -> int:
        """How many inspections were drawn."""
        return sum(one.drawn for one in self.grades)

    @property
    def visited(self) -> int:
        """How many of them were made."""
        return sum(one.visited for one in self.grades)

    @property
    def found(self) -> int:
        """How many found a problem."""
        return sum(one.found for one in self.grades)


def figures(city: City, asker: Asker, at: datetime) -> Figures:
    """The figures of the inspections that the asker may see, over the year before `at`; raises `Refused`."""
    require_staff(asker)
    with city.db.connection() as conn:
        given: dict[str, Any] = {"since": at - YEAR, **sees_all_of(conn, asker)}
        grades = tuple(
            GradeFigures(str(row["name"]), row["drawn"], row["visited"], row["found"], row["correcting"], row["corrected"]) for row in conn.execute(GRADES, given)
        )
        bothered = tuple((int(row["name"]), int(row["firms"])) for row in conn.execute(BOTHERED, given))
        counted = conn.execute(UNIVERSE, given).fetchone()
    return Figures(int(counted["n"]) if counted else 0, sum(firms for _, firms in bothered), grades, bothered)
