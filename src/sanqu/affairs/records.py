"""A filing (申办件) as the room keeps it beside its case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Channel = Literal["online", "window"]
State = Literal["submitted", "amending", "handling", "done", "refused", "withdrawn"]
STATES: tuple[State, ...] = ("submitted", "amending", "handling", "done", "refused", "withdrawn")
OPEN = ("submitted", "amending", "handling")
# What is known of a field: the city held it, the applicant typed it, or typed something else than the city holds.
Origin = Literal["held", "typed", "differs"]

# The processes of things; the file of each lies in `processes/`.
PROCESSES = ("affairs-open-shop", "affairs-newborn", "affairs-retirement", "affairs-property", "affairs-matter", "affairs-elsewhere")
# The process of a matter that another city handles, and the message by which its case hears from there.
AWAY, ELSEWHERE = "affairs-elsewhere", "elsewhere"
SUBSIDY = "affairs-subsidy"

COLUMNS = """f.number, f.thing, f.city, f.channel, f.applicant, f.holder, f.subject_kind, f.subject, f.form, f.origins, f.materials, f.taken_by,
    f.state, f.submitted, f.accepted, f.by_rule, f.done, f.due, f.outcome, f.legal_days, f.visits_before, f.rating, f.rating_note, f.rated_unit,
    f.followed, f.reply, f.rerating, f.city_number, f.origin, f.origin_number"""


@dataclass(frozen=True)
class Filing:
    """One filing. `subject` is the ID number or enterprise code of whom it is for; `origins` say of each field where it came from.

    `materials` say of each that was asked how it was met: `held` (and by which dataset), `given`, `seen` at the window, `stated`.
    `city` is the partner city that handles it, under `city_number`; `origin` the one that sent it here, where it is `origin_number`.
    """

    number: str
    thing: str
    city: str
    channel: Channel
    applicant: str
    holder: str
    subject_kind: str
    subject: str
    form: dict[str, Any]
    origins: dict[str, Origin]
    materials: dict[str, dict[str, str]]
    taken_by: str | None
    state: State
    submitted: datetime
    accepted: datetime | None
    by_rule: bool
    done: datetime | None
    due: datetime
    outcome: str
    legal_days: int
    visits_before: int
    rating: int | None
    rating_note: str
    rated_unit: str | None
    followed: datetime | None
    reply: str
    rerating: int | None
    city_number: str
    origin: str
    origin_number: str

    @property
    def fields_held(self) -> int:
        """How many fields nobody had to type."""
        return sum(origin == "held" for origin in self.origins.values())

    @property
    def papers_held(self) -> int:
        """How many papers nobody had to bring."""
        return sum(one["how"] in ("held", "made") for one in self.materials.values())

    @property
    def papers_asked(self) -> int:
        """How many papers the matters ask in all; what the form itself states is none."""
        return sum(one["how"] != "stated" for one in self.materials.values())

    def lamp(self, at: datetime) -> Literal["none", "green", "yellow", "red"]:
        """How its promise stands: red when missed, yellow in the last fifth of the time."""
        if self.state in ("refused", "withdrawn"):
            return "none"
        if (self.done or at) > self.due:
            return "red"
        late = self.submitted + (self.due - self.submitted) * 0.8
        return "yellow" if self.done is None and at > late else "green"


def filing_from(row: dict[str, Any]) -> Filing:
    """The filing in a row of `COLUMNS`."""
    return Filing(**{name: row[name] for name in Filing.__dataclass_fields__})
