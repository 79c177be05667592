"""What is known of an indicator: how it is defined, whence its figures, its targets, and each figure as it was revised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sanqu.ground.i18n import Text
from sanqu.indicators.paths import LAGGING_SHARE, Direction
from sanqu.indicators.periods import Period

Comparator = Literal["=", ">=", "<", "超", "约"]


class Way(BaseModel):
    """One way to a figure: a query over datasets, a formula over other indicators, or what units reported.

    A query gives `period` and `value`, read through the door as the public reads. A formula names other indicators by code and
    gives a figure for each period for which all of them have one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sql: str | None = None
    formula: str | None = None
    reported: bool = False
    note: Text | None = None

    @model_validator(mode="after")
    def _one_of_three(self) -> Way:
        if sum((self.sql is not None, self.formula is not None, self.reported)) != 1:
            raise ValueError("a way to a figure is either sql, or formula, or reported")
        return self


class Check(BaseModel):
    """A logic rule (逻辑审核): a condition over codes of indicators, looked at where all that it names were reported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    message: Text


class Dimension(BaseModel):
    """What an indicator is told by (分组): its queries give a column of this name; `units` says that members are codes of units."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    title: Text
    units: bool = False


class Aim(BaseModel):
    """A target that is written down by hand."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    period: str
    value: float
    comparator: Comparator = "="
    source: Text


class Indicator(BaseModel):
    """One indicator (指标). Of several ways, the first that gives a figure for a period is taken.

    `share` says that its figures are shares or rates (their path is a straight line); `base` is the period
    from which the path begins, where it is not that of the first figure; `targets` is a query that gives `period`,
    `value` and `comparator`, `aims` are targets besides. `dimensions` are what its parts are told by: a row of a query that names
    a member of one is a figure of that part, a row that names none of the whole; `additive` parts add up to the whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")
    title: Text
    unit: Text
    about: Text = Text(zh="")
    group: Text = Text(zh="")
    direction: Direction = "up"
    share: bool = False
    digits: int = Field(default=2, ge=0, le=6)
    steward: str = ""
    source: Text = Text(zh="")
    ways: tuple[Way, ...] = Field(min_length=1)
    base: str = ""
    targets: str | None = None
    aims: tuple[Aim, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    additive: bool = False
    # From which share of the way that should lie behind it lags; below, it is at risk.
    lagging: float = Field(default=LAGGING_SHARE, gt=0, le=1)
    sample: bool = False
    # Who reports it, between which bounds, under which rules.
    reporter: Literal["", "steward", "county"] = ""
    least: float | None = None
    most: float | None = None
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Target:
    """What is to be reached by the end of a period."""

    period: Period
    value: float
    comparator: str
    source: Text


@dataclass(frozen=True)
class Figure:
    """One figure as it stands (or stood: `revision` counts from 1), and whence it came.

    `basis` says for a query: `sql`, `digest` of its answer, `snapshot` of the lake; for a formula: `formula` and `of`, each
    indicator with the figure that was used and its revision.
    """

    period: Period
    value: float
    revision: int
    at: datetime
    basis: dict[str, Any]
