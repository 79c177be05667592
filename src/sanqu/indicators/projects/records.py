"""What is known of a project (重点工程): its targets, its tasks, and what was reported of both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sanqu.ground.i18n import Text
from sanqu.indicators.projects.lamps import Lamp


@dataclass(frozen=True)
class Project:
    """One project; `units` are the codes of those responsible, the leading one first; `wording` is how the plan names them."""

    code: str
    title: Text
    goal: str
    section: str
    units: tuple[str, ...]
    wording: str
    since: date
    due: date

    @property
    def lead(self) -> str:
        """The unit that leads (牵头单位)."""
        return self.units[0]


@dataclass(frozen=True)
class Target:
    """One target of a project; `value` is None where the plan says it in words only. `reached` is what was confirmed last."""

    id: str
    project: str
    title: Text
    value: float | None
    wording: str
    unit: str
    comparator: str
    reached: float | None = None
    said: str = ""
    at: datetime | None = None

    @property
    def share(self) -> float | None:
        """How much of the target was reached (1 is all of it); None where that cannot be said in numbers."""
        return None if self.value in (None, 0) or self.reached is None else self.reached / self.value  # type: ignore[operator]


@dataclass(frozen=True)
class Task:
    """A measure of the plan (`parent` is None) or a task that a unit made of it for a year (年度任务).

    `percent` is what was confirmed last, at `at`, for `period`; `weight` is its weight among the tasks of its project.
    """

    id: int
    project: str
    parent: int | None
    title: Text
    unit: str
    units: tuple[str, ...]
    since: date
    due: date
    weight: float
    percent: int | None
    period: str
    said: str
    problem: str
    at: datetime | None
    lamp: Lamp = "unknown"


@dataclass(frozen=True)
class Asked:
    """One report of progress that a unit owes, or gave."""

    case_number: str
    project: str
    unit: str
    period: str
    state: str
    asked: datetime
    confirmed: datetime | None
    late: bool


@dataclass(frozen=True)
class Standing:
    """A project as it stands: percent over its tasks, how many have which lamp, and the worst that counts for the whole."""

    project: Project
    targets: tuple[Target, ...]
    tasks: tuple[Task, ...]
    percent: float | None
    lamp: Lamp
