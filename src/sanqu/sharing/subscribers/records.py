"""A subscription as everybody sees it, and a letter: one delivery on its way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["webhook", "nats"]
State = Literal["on", "paused", "stopped"]


class Wish(BaseModel):
    """What somebody wants to be told of, and where."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    kind: Kind = "webhook"
    target: str = Field(max_length=2000, description="网址，或 out. 开头的主题 · an address, or a subject that begins with out.")
    items: tuple[str, ...] = Field((), description="数据项，空为全部可读的 · items; none: all that may be read")
    purpose: str = Field("", max_length=200, description="用途 · what for, where it rests on a grant")
    after: int | None = Field(None, ge=0, description="从这个快照之后；空为从现在起 · after this snapshot; none: from now on")


@dataclass(frozen=True)
class Subscription:
    """One subscription as it stands; `lag` is how old the oldest change is that was not delivered, in seconds (0: none).

    `cause` says why it stopped or why a delivery is tried again; `tries` counts those of the delivery at hand; `last_fault`
    says why the last dead letter was given up.
    """

    id: int
    person: int
    who: str
    key: int | None
    dataset: str
    items: tuple[str, ...]
    purpose: str
    kind: Kind
    target: str
    approved: str
    state: State
    cause: dict[str, Any] | None
    next_try: datetime | None
    position: int
    lag: float
    tries: int
    deliveries: int
    rows: int
    dead: int
    last_fault: dict[str, Any] | None
    delivered: datetime | None
    created: datetime

    @property
    def place(self) -> str:
        """The target as lists show it: what follows a question mark may be a secret."""
        address, mark, _ = self.target.partition("?")
        return address + ("?…" if mark else "")

    @property
    def lamp(self) -> str:
        """Green: all is told; yellow: a delivery is tried again, or was given up; red: stopped; none: paused."""
        if self.state != "on":
            return "red" if self.state == "stopped" else ""
        return "yellow" if self.tries or self.dead else "green"


@dataclass(frozen=True)
class Letter:
    """A delivery: what changed after snapshot `after` up to `snapshot`; `id` is the same at every try."""

    number: int
    id: str
    subscription: int
    after: int
    snapshot: int
    rows: int
    reload: bool
    state: Literal["waiting", "dead"]
    tries: int
    next_try: datetime
    cause: dict[str, Any] | None
    created: datetime
    tried: datetime | None
