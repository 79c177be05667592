"""Plans (抽查计划), draws and inspections (检查) as the room keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sanqu.ground.i18n import Text

PROCESS = "inspection"
DrawState = Literal["committed", "drawn", "void"]
# The results that the national enterprise credit publicity system tells of a draw (双随机抽查结果公示).
Result = Literal["none", "undisclosed", "false", "unreachable", "correct", "obstructed", "inactive", "pending"]
RESULTS: tuple[Result, ...] = ("none", "correct", "pending", "undisclosed", "false", "unreachable", "obstructed", "inactive")
# Those of them that are problems; credit counts them.
PROBLEMS: frozenset[str] = frozenset({"undisclosed", "false", "unreachable", "correct", "obstructed", "pending"})
State = Literal["drawn", "notified", "visited", "correcting", "rechecking", "published", "withheld", "void"]
STATES: tuple[State, ...] = ("drawn", "notified", "visited", "correcting", "rechecking", "published", "withheld", "void")
Reason = Literal["kin", "interest", "former", "unit"]
REASONS: tuple[Reason, ...] = ("kin", "interest", "former", "unit")
UNRATED = "-"


class Check(BaseModel):
    """One line of the checklist of an item."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    title: Text


class Item(BaseModel):
    """One item of the list (抽查事项): which departments check it (short names such as `sjj`), how, on what ground."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    title: Text
    department: str = Field(pattern=r"^[a-z0-9]{1,20}$")
    method: Text = Text()
    basis: str = Field(default="", max_length=400)
    checks: tuple[Check, ...] = Field(min_length=1, max_length=30)


class Targets(BaseModel):
    """Where the targets come from: a dataset and its items, read through the door."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    id: str
    name: str
    county: str
    kind: str


class Credit(BaseModel):
    """Where the credit grade of a target comes from; `newest` is the item by which the newest row is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    id: str
    grade: str
    newest: str


class Publishing(BaseModel):
    """Where results are published: the name of the dataset, who answers for it, its subject library."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    steward: str
    subject: str = ""


class Team(BaseModel):
    """How many inspectors of a unit go to each target; those of offices below it (`330802-sjj` of `3308-sjj`) are of its team."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: str = Field(min_length=1, max_length=64)
    count: int = Field(default=2, ge=1, le=5)


class Rules(BaseModel):
    """What a plan says: items, quota by group, weights by credit grade, teams, and how often a target may be bothered.

    `group` is what quotas go by; `quota` is by the name of the group, `each` for groups that it does not name. `kinds` are
    beginnings of codes of kind (GB/T 4754). `most_visits` is how many inspections of one target in 365 days are the most
    (无事不扰); `most_each` is how many targets one inspector should visit at most; `correct_days` are working days.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: tuple[str, ...] = Field(min_length=1, max_length=20)
    teams: tuple[Team, ...] = Field(min_length=1, max_length=4)
    group: Literal["county", "kind", "all"] = "county"
    quota: dict[str, int] = {}
    each: int = Field(default=0, ge=0, le=500)
    counties: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    weights: dict[str, str] = {"A": "1", "B": "2", "C": "4", "D": "8", "E": "8", UNRATED: "2"}
    most_visits: int = Field(default=2, ge=1, le=12)
    most_each: int = Field(default=20, ge=1, le=1000)
    correct_days: int = Field(default=15, ge=1, le=90)
    purpose: str = Field(default="supervision", min_length=1, max_length=200)

    @field_validator("quota")
    @classmethod
    def _sensible(cls, said: dict[str, int]) -> dict[str, int]:
        if any(not 0 <= take <= 500 for take in said.values()):
            raise ValueError("a quota is from 0 to 500")
        return said

    @field_validator("weights")
    @classmethod
    def _positive(cls, said: dict[str, str]) -> dict[str, str]:
        try:
            fit = all(Decimal(0) < Decimal(weight) <= 1000 for weight in said.values())
        except InvalidOperation:
            fit = False
        if not fit or UNRATED not in said:
            raise ValueError("weights are decimals above 0 and at most 1000, with one for `-` (not rated)")
        return said

    @property
    def lead(self) -> str:
        """The unit in the lead."""
        return self.teams[0].unit

    @property
    def partners(self) -> tuple[str, ...]:
        """The other units that go along (跨部门联合)."""
        return tuple(team.unit for team in self.teams[1:])


@dataclass(frozen=True)
class Plan:
    """One plan of inspection."""

    number: str
    title: str
    unit: str
    rules: Rules
    creator: str
    created: datetime
    sample: bool


@dataclass(frozen=True)
class Draw:
    """One draw of a plan; `seed` is empty as long as nobody may know it, `result` as long as nothing is drawn."""

    plan: str
    round: int
    state: DrawState
    digest: str
    commitment: str
    committed: datetime
    committed_by: str
    anchored: bool
    seed: str
    witness: str
    targets: int
    inspectors: int
    left_out: int
    taken: int
    drawn: datetime | None
    voided: datetime | None
    reason: str


@dataclass(frozen=True)
class Inspection:
    """One drawn target and how its inspection goes. `grade` is the credit grade at the draw; `findings` are by unit and check."""

    number: str
    plan: str
    round: int
    target: str
    name: str
    county: str
    kind: str
    grade: str
    inspectors: tuple[str, ...]
    case: str | None
    state: State
    result: Result | None
    problems: int
    findings: dict[str, Any]
    visited: date | None
    corrected: date | None
    published: datetime | None
    drawn: datetime
    sample: bool


INSPECTION_COLUMNS = """i.number, i.plan, i.round, i.target, i.name, i.county, i.kind, i.grade, i.inspectors, i.case_number, i.state, i.result,
    i.problems, i.findings, i.visited, i.corrected, i.published, i.drawn, i.sample"""


def plan_from(row: dict[str, Any]) -> Plan:
    """The plan in a row."""
    return Plan(
        str(row["number"]), str(row["title"]), str(row["unit"]), Rules.model_validate(row["rules"]), str(row["creator"]), row["created"],
        bool(row["sample"]),
    )  # fmt: skip


def inspection_from(row: dict[str, Any]) -> Inspection:
    """The inspection in a row of `INSPECTION_COLUMNS`."""
    return Inspection(
        number=str(row["number"]), plan=str(row["plan"]), round=int(row["round"]), target=str(row["target"]), name=str(row["name"]),
        county=str(row["county"]), kind=str(row["kind"]), grade=str(row["grade"]), inspectors=tuple(row["inspectors"]),
        case=row["case_number"], state=cast(State, row["state"]), result=cast("Result | None", row["result"]),
        problems=int(row["problems"]), findings=dict(row["findings"]), visited=row["visited"], corrected=row["corrected"],
        published=row["published"], drawn=row["drawn"], sample=bool(row["sample"]),
    )  # fmt: skip
