"""A scheme of assessment (考核办法), its rounds, and points with what they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text

Measure = Literal["query", "tasks", "reports", "manual"]
Method = Literal["linear", "target", "rank", "per"]
State = Literal["draft", "published", "final"]


class Criterion(BaseModel):
    """One criterion (考核指标) worth `points`.

    `query`: SQL that gives `unit` and `value` (`$year` and `$period` are bound), turned into points by `method`:
    `linear` from `floor` (none) to `ceiling` (all; it may lie below `floor` where less is better), `target` the share of `target`
    that was reached, `rank` from all for the first to `least` of them for the last, `per` so many for `each`.
    `tasks`: the percent of the unit's tasks of key projects. `reports`: the share of progress reports given in time.
    `manual`: assessors give them, with a reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    title: Text
    about: Text = Text(zh="")
    points: float = Field(gt=0, le=1000)
    measure: Measure = "query"
    sql: str = ""
    unit: Text = Text(zh="")
    method: Method = "linear"
    floor: float = 0.0
    ceiling: float = 100.0
    target: float = 0.0
    each: float = 0.0
    least: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _whole(self) -> Criterion:
        if (self.measure == "query") != bool(self.sql):
            raise ValueError("a criterion has sql if, and only if, its measure is query")
        if self.measure == "query" and self.method == "linear" and self.floor == self.ceiling:
            raise ValueError("floor and ceiling are the same")
        if self.measure == "query" and self.method == "target" and self.target <= 0:
            raise ValueError("method target needs a target above 0")
        if self.measure == "query" and self.method == "per" and self.each <= 0:
            raise ValueError("method per needs each above 0")
        return self


class Change(BaseModel):
    """A deduction (扣分) or bonus (加分): `each` points a time, at most `most`; counted by `sql` (`unit`, `value`) or marked by hand."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    title: Text
    kind: Literal["deduction", "bonus"]
    each: float = Field(gt=0)
    most: float = Field(gt=0)
    sql: str = ""


class Scheme(BaseModel):
    """Who is assessed by what. `subjects` is a kind of unit (`county`) or codes; `appeal_days` are working days after publication."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    title: Text
    about: Text = Text(zh="")
    subjects: Literal["county"] | tuple[str, ...]
    period: Literal["A", "Q"] = "A"
    appeal_days: int = Field(default=5, ge=1, le=60)
    sample: bool = False
    criterion: tuple[Criterion, ...] = Field(min_length=1)
    change: tuple[Change, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> Scheme:
        codes = [one.code for one in self.items]
        if twice := next((code for code in codes if codes.count(code) > 1), None):
            raise ValueError(f"{twice} is named twice")
        return self

    @property
    def total(self) -> float:
        """The points of all criteria together."""
        return sum(one.points for one in self.criterion)

    @property
    def items(self) -> tuple[Criterion | Change, ...]:
        """Criteria, then changes."""
        return (*self.criterion, *self.change)

    def item(self, code: str) -> Criterion | Change | None:
        """The criterion or change called `code`."""
        return next((one for one in self.items if one.code == code), None)


def read_scheme(said: Mapping[str, Any]) -> Scheme:
    """A scheme from its TOML; raises `BadInput` naming it and what does not fit."""
    try:
        return Scheme.model_validate(said)
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            "assessment.scheme",
            Text(zh=f"考核办法不合规：{where}：{first['msg']}", en=f"The scheme of assessment does not fit: {where}: {first['msg']}"),
            Text(zh="见 docs/rooms/indicators.md", en="See docs/rooms/indicators.md"), str(said.get("code", "")),
        ) from fault  # fmt: skip


@dataclass(frozen=True)
class Round:
    """One scheme over one period, with the scheme as it was then."""

    id: int
    scheme: Scheme
    period: str
    state: State
    opened: datetime
    published: datetime | None
    appeals_until: datetime | None
    closed: datetime | None


@dataclass(frozen=True)
class Points:
    """The points of a unit for one item, and their arithmetic: `basis` says the value, where it came from, how it became points."""

    unit: str
    item: str
    points: float
    most: float
    revision: int
    basis: dict[str, Any]
    at: datetime


@dataclass(frozen=True)
class Row:
    """A unit in the league table; units with the same total share a rank."""

    unit: str
    rank: int
    total: float
    points: Mapping[str, Points]
