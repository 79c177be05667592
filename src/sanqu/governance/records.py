"""Events (事件) as the room keeps them beside their cases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from sanqu.governance.matters import Urgency

PROCESS = "event"
Source = Literal["grid", "resident", "hotline", "department", "sensor", "open311"]
SOURCES: tuple[Source, ...] = ("grid", "resident", "hotline", "department", "sensor", "open311")
State = Literal["reported", "dispatching", "handling", "verifying", "closed", "refused", "merged", "withdrawn"]
STATES: tuple[State, ...] = ("reported", "dispatching", "handling", "verifying", "closed", "refused", "merged", "withdrawn")
OPEN: tuple[State, ...] = ("reported", "dispatching", "handling", "verifying")
Lamp = Literal["none", "green", "yellow", "red"]
# A reporter without an account is named so, as everywhere.
NOBODY = "public"
SOON = timedelta(days=1)

COLUMNS = """e.id, e.number, e.matter, e.urgency, e.source, e.title, e.text, e.reporter, e.contact, e.address, e.lon, e.lat, e.grid, e.village,
    e.town, e.county, e.lead, e.partners, e.state, e.reported, e.accepted, e.dispatched, e.handled, e.closed, e.changed, e.due, e.outcome,
    e.rating, e.reopened, e.maybe, e.merged_into, e.repeat_of, e.attributes, e.sample"""


@dataclass(frozen=True)
class Event:
    """One event. `contact` (name, phone, email of the reporter) is personal; `due` is when it must be handled by."""

    id: int
    number: str
    matter: str
    urgency: Urgency
    source: Source
    title: str
    text: str
    reporter: str
    contact: dict[str, str]
    address: str
    lon: float | None
    lat: float | None
    grid: str | None
    village: str | None
    town: str | None
    county: str | None
    lead: str | None
    partners: tuple[str, ...]
    state: State
    reported: datetime
    accepted: datetime | None
    dispatched: datetime | None
    handled: datetime | None
    closed: datetime | None
    changed: datetime
    due: datetime
    outcome: str
    rating: int | None
    reopened: bool
    maybe: str | None
    merged_into: str | None
    repeat_of: str | None
    attributes: dict[str, Any]
    sample: bool

    @property
    def place(self) -> str | None:
        """The smallest unit on whose ground it is."""
        return self.grid or self.village or self.town or self.county

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to act."""
        return self.state in OPEN

    def lamp(self, at: datetime) -> Lamp:
        """How the deadline stood when it was closed, or stands: red when missed, yellow on the last day; none where nobody acted."""
        if self.state in ("refused", "merged", "withdrawn"):
            return "none"
        if (self.closed or at) > self.due:
            return "red"
        return "yellow" if self.closed is None and self.due - at < SOON else "green"


def event_from(row: dict[str, Any]) -> Event:
    """The event in a row of `COLUMNS`."""
    said = {name: row[name] for name in Event.__dataclass_fields__}
    said |= {"partners": tuple(row["partners"]), "urgency": cast(Urgency, row["urgency"])}
    return Event(**said)
