"""The tables of the sandbox as the room knows them: rooms, members, uploads, results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Given

State = Literal["passed", "waiting", "approved", "refused"]
Kind = Literal["table", "model", "private"]
# The states in which a result has left the room.
OUT: frozenset[State] = frozenset({"passed", "approved"})

ROOM_COLUMNS = """
r.id, r.title, r.unit, u.path, r.purposes, r.state, r.least, r.dominance, r.budget, r.budget_left, r.epsilon, r.created
"""
RESULT_COLUMNS = """
id, number, room, person, kind, purpose, asked, datasets, state, cause, digest, salt, rows, more, epsilon, created, decided
"""


class Dominance(BaseModel):
    """One dominance rule (支配规则): the `n` largest contributors give at most `p` percent of a cell's sum."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Given(ge=1, le=100)
    p: float = Given(gt=0, le=100)


DOMINANCE = (Dominance(n=1, p=60), Dominance(n=2, p=80))


@dataclass(frozen=True)
class Room:
    """A room: what it is for, which unit answers for it, its automatic rules, its privacy budget (epsilons)."""

    id: int
    title: str
    unit: str
    unit_path: str
    purposes: tuple[str, ...]
    state: Literal["open", "closed"]
    least: int
    dominance: tuple[Dominance, ...]
    budget: Decimal
    budget_left: Decimal
    epsilon: Decimal
    created: datetime

    @property
    def assignee(self) -> str:
        """How grants name the room."""
        return f"room:{self.id}"

    @property
    def queries_left(self) -> int:
        """How many private answers of the usual cost the budget still pays for."""
        return int(self.budget_left // self.epsilon)


@dataclass(frozen=True)
class Upload:
    """Rows that a member brought along: a table of the lake that only the room's queries can name."""

    room: int
    name: str
    lake_table: str
    # Types of the lake, by column.
    columns: Mapping[str, str]
    rows: int
    person: int
    created: datetime


@dataclass(frozen=True)
class Result:
    """What a question in a room came to. Of what has not left, `rows`, `digest` and `more` are for stewards only."""

    id: UUID
    number: int
    room: int
    person: int
    kind: Kind
    purpose: str
    asked: Mapping[str, Any]
    datasets: tuple[str, ...]
    state: State
    cause: Mapping[str, Any]
    digest: str | None
    salt: bytes
    rows: int | None
    more: bool
    epsilon: Decimal | None
    created: datetime
    decided: datetime | None

    @property
    def out(self) -> bool:
        """Whether it may leave the room."""
        return self.state in OUT


def plainly(epsilon: Decimal) -> str:
    """An exact decimal without the zeros behind it: `2.9`."""
    return f"{epsilon.normalize():f}"


def room_of_row(row: Mapping[str, Any]) -> Room:
    """A room as its row says it."""
    return Room(
        row["id"], row["title"], row["unit"], row["path"] or "/?/", tuple(row["purposes"]), row["state"], row["least"],
        tuple(Dominance.model_validate(rule) for rule in row["dominance"]), row["budget"], row["budget_left"], row["epsilon"],
        row["created"],
    )  # fmt: skip


def upload_of_row(row: Mapping[str, Any]) -> Upload:
    """An upload as its row says it."""
    columns = {str(name): str(type_) for name, type_ in row["columns"]}
    return Upload(row["room"], row["name"], row["lake_table"], columns, row["rows"], row["person"], row["created"])


def result_of_row(row: Mapping[str, Any]) -> Result:
    """A result as its row says it, without its body."""
    return Result(
        row["id"], row["number"], row["room"], row["person"], row["kind"], row["purpose"], row["asked"], tuple(row["datasets"]),
        row["state"], row["cause"], row["digest"], bytes(row["salt"]), row["rows"], row["more"], row["epsilon"], row["created"],
        row["decided"],
    )  # fmt: skip
