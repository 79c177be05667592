"""Processes, cases, tasks and steps as the room keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from sanqu.cases.forms import Field
from sanqu.ground.clock import now
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

CaseState = Literal["open", "done", "withdrawn"]
TaskState = Literal["waiting", "ready", "done", "cancelled"]
# What a step of the history says.
What = Literal[
    "started",
    "task",
    "done",
    "service",
    "reminded",
    "overdue",
    "escalated",
    "cancelled",
    "withdrawn",
    "ended",
    "claimed",
    "commented",
    "timer",
    "message",
    "returned",
    "forwarded",
    "asked",
    "supervised",
    "answered",
    "paused",
    "resumed",
    "filed",
    "migrated",
    "dispatched",
]

CASE_COLUMNS = "c.id, c.number, c.process, c.version, c.title, c.title_en, c.subject, c.applicant, c.unit, c.data, c.state, c.outcome, c.created, c.closed"
TASK_COLUMNS = """t.id, c.number AS case_number, c.title AS case_title, c.title_en AS case_title_en, t.name, t.title_zh, t.title_en, t.role, t.unit, t.assignee, t.form,
    t.state, t.due, t.due_sure, t.reminded, t.overdue, t.escalated, t.escalated_to, t.made, t.done_at, t.done_by, t.result, t.claimed_by, t.claimed,
    t.asked_for, t.forwarded, t.returned, t.paused, t.pause_until, t.pause_days, t.pause_used, t.supervised"""


@dataclass(frozen=True)
class Process:
    """One version of a process (流程)."""

    name: str
    version: int
    title: Text
    actor: str
    created: datetime


@dataclass(frozen=True)
class Case:
    """One case (办件); `applicant` is an `Asker.label`, `subject` names what it is about, such as `dataset:residents`."""

    id: UUID
    number: str
    process: str
    version: int
    title: str
    subject: str
    applicant: str
    unit: str | None
    data: dict[str, Any]
    state: CaseState
    outcome: str
    created: datetime
    closed: datetime | None
    # What it is called in English, where that was said.
    title_en: str = ""

    @property
    def called(self) -> Text:
        """Its title in both languages."""
        return Text(zh=self.title, en=self.title_en)


@dataclass(frozen=True)
class Task:
    """One task (任务) of a case. `unit` must act, or, where it is None, the person `assignee`.

    `due_sure` is false where the holidays of the year were not announced when the deadline was counted.
    """

    id: UUID
    case: str
    case_title: str
    name: str
    title: Text
    role: str
    unit: str | None
    assignee: str | None
    form: tuple[Field, ...]
    state: TaskState
    due: datetime | None
    due_sure: bool
    reminded: datetime | None
    overdue: datetime | None
    escalated: datetime | None
    escalated_to: str | None
    made: datetime
    done_at: datetime | None
    done_by: str | None
    result: dict[str, Any] | None
    claimed_by: str | None
    claimed: datetime | None
    # The task about which its unit is asked, where it is an opinion.
    asked_for: UUID | None = None
    forwarded: datetime | None = None
    returned: datetime | None = None
    paused: datetime | None = None
    pause_until: datetime | None = None
    pause_days: int = 0
    pause_used: int = 0
    supervised: datetime | None = None
    case_title_en: str = ""

    @property
    def case_called(self) -> Text:
        """The title of its case in both languages."""
        return Text(zh=self.case_title, en=self.case_title_en)

    def lamp(self, at: datetime | None = None) -> Literal["none", "green", "yellow", "red"]:
        """How the deadline stands: red when it is over, yellow once somebody was reminded of it; none while the task is paused."""
        if self.due is None or self.paused is not None:
            return "none"
        if self.due < (self.done_at or at or now()):
            return "red"
        return "yellow" if self.reminded is not None and self.done_at is None else "green"


@dataclass(frozen=True)
class Comment:
    """What somebody said in a case."""

    at: datetime
    actor: str
    text: str


@dataclass(frozen=True)
class Notice:
    """What one person is told, and the page that it is about."""

    id: int
    at: datetime
    text: Text
    link: str
    read_at: datetime | None


@dataclass(frozen=True)
class Step:
    """One line of a case's history; `facts` hold no personal data."""

    at: datetime
    actor: str
    what: What
    task: UUID | None
    title: Text
    facts: dict[str, Any]


def process_from(row: dict[str, Any]) -> Process:
    """The process in a row."""
    title = Text(zh=str(row["title_zh"]), en=str(row["title_en"]))
    return Process(str(row["name"]), int(row["version"]), title, str(row["actor"]), row["created"])


def case_from(row: dict[str, Any]) -> Case:
    """The case in a row of `CASE_COLUMNS`."""
    return Case(
        row["id"], str(row["number"]), str(row["process"]), int(row["version"]), str(row["title"]), str(row["subject"]),
        str(row["applicant"]), row["unit"], dict(row["data"]), cast(CaseState, row["state"]), str(row["outcome"]),
        row["created"], row["closed"], str(row["title_en"]),
    )  # fmt: skip


def task_from(row: dict[str, Any]) -> Task:
    """The task in a row of `TASK_COLUMNS`."""
    return Task(
        id=row["id"], case=str(row["case_number"]), case_title=str(row["case_title"]), name=str(row["name"]),
        title=Text(zh=str(row["title_zh"]), en=str(row["title_en"])), role=str(row["role"]), unit=row["unit"],
        assignee=row["assignee"], form=tuple(Field.model_validate(field) for field in row["form"]), state=cast(TaskState, row["state"]),
        due=row["due"], due_sure=bool(row["due_sure"]), reminded=row["reminded"], overdue=row["overdue"], escalated=row["escalated"],
        escalated_to=row["escalated_to"], made=row["made"], done_at=row["done_at"], done_by=row["done_by"], result=row["result"],
        claimed_by=row["claimed_by"], claimed=row["claimed"], asked_for=row["asked_for"], forwarded=row["forwarded"],
        returned=row["returned"], paused=row["paused"], pause_until=row["pause_until"], pause_days=int(row["pause_days"]),
        pause_used=int(row["pause_used"]), supervised=row["supervised"], case_title_en=str(row["case_title_en"]),
    )  # fmt: skip


def person_label(asker: Asker) -> str:
    """How cases name a person, by whichever key the person asks: `user:12`, `system`, `public`."""
    return asker.label.split("/", 1)[0]
