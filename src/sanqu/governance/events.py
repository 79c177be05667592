"""Which events there are for whom (事件清单), one event, and its course."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sanqu.cases.history import case_history, case_tasks, find_case
from sanqu.cases.records import Case, Step, Task, person_label
from sanqu.cases.rights import reach_of
from sanqu.governance.records import COLUMNS, Event, State, event_from
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.database import Connection
from sanqu.ground.errors import Refused, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.secrets import plain_code, token_hash

# Over `governance_event e`: who works at the unit on whose ground it is, or which acts in it, stewards above, whoever reported it.
VISIBLE = """(%(everywhere)s OR e.reporter = %(me)s OR e.town = ANY(%(reach)s) OR e.village = ANY(%(reach)s) OR e.grid = ANY(%(reach)s)
    OR e.county = ANY(%(reach)s) OR e.lead = ANY(%(reach)s) OR e.partners && %(reach)s)"""
FILTERS = f"""
FROM governance_event e WHERE {VISIBLE}
  AND (%(unit)s::text IS NULL OR %(unit)s IN (e.grid, e.village, e.town, e.county) OR %(whole)s)
  AND (%(matter)s::text IS NULL OR e.matter = %(matter)s)
  AND (%(state)s::text IS NULL OR e.state = %(state)s OR %(state)s = 'open' AND e.state IN ('reported','dispatching','handling','verifying'))
  AND (%(source)s::text IS NULL OR e.source = %(source)s)
  AND (%(lead)s::text IS NULL OR e.lead = %(lead)s)
  AND (%(since)s::timestamptz IS NULL OR e.reported >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR e.reported < %(until)s)
  AND (%(late)s::boolean IS NULL OR (coalesce(e.closed, %(now)s) > e.due AND e.state NOT IN ('refused','merged','withdrawn')) = %(late)s)
  AND (NOT %(on_time)s OR e.state = 'closed' AND e.closed <= e.due)
  AND (NOT %(reopened)s OR e.reopened)
  AND (NOT %(rated)s OR e.rating IS NOT NULL)
  AND (NOT %(repeated)s OR e.repeat_of IS NOT NULL)
  AND (NOT %(alike)s OR e.maybe IS NOT NULL AND e.state = 'reported')
  AND (%(reporter)s::text IS NULL OR e.reporter = %(reporter)s)
  AND (%(text)s::text IS NULL OR e.number = %(text)s OR e.title ILIKE '%%' || %(text)s || '%%' OR e.address ILIKE '%%' || %(text)s || '%%')
"""
LIST = f"SELECT {COLUMNS} {FILTERS} ORDER BY e.reported DESC, e.id DESC LIMIT %(limit)s OFFSET %(offset)s"
COUNT = f"SELECT count(*) AS n {FILTERS}"
ONE = f"SELECT {COLUMNS} FROM governance_event e WHERE e.number = %(number)s AND {VISIBLE}"
BY_CODE = f"SELECT {COLUMNS} FROM governance_event e WHERE e.code_hash = %s"
FOLLOWERS = f"SELECT {COLUMNS} FROM governance_event e WHERE e.merged_into = %s ORDER BY e.id"
MOST_EXPORTED = 200_000
CHUNK = 5_000


@dataclass(frozen=True)
class Wanted:
    """Which events are wanted; None and False leave a filter open. `unit` is any of grid, village, town, county; times are aware."""

    unit: str | None = None
    matter: str | None = None
    state: State | str | None = None
    source: str | None = None
    lead: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    late: bool | None = None
    on_time: bool = False
    reopened: bool = False
    rated: bool = False
    repeated: bool = False
    alike: bool = False
    reporter: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class Course:
    """An event with its case, tasks, steps, and those merged into it; samples of the past have no case."""

    event: Event
    case: Case | None
    tasks: tuple[Task, ...]
    steps: tuple[Step, ...]
    followers: tuple[Event, ...]


def reach_in(conn: Connection, asker: Asker) -> dict[str, Any]:
    """The parameters of `VISIBLE` for `asker`: a role at the city's own unit reaches everywhere in it."""
    reach = reach_of(conn, asker)
    whole = any(role.path.count("/") == 2 and role.role in ("steward", "officer") for role in asker.held)
    return {**reach, "everywhere": reach["everywhere"] or whole}


def params_of(conn: Connection, asker: Asker, wanted: Wanted, at: datetime | None = None) -> dict[str, Any]:
    """The parameters of `FILTERS`."""
    # The city's own unit is all of the city.
    row = (
        conn.execute("SELECT 1 FROM org_unit WHERE code = %s AND kind = 'city'", (wanted.unit,)).fetchone()
        if wanted.unit
        else None
    )
    return {**asdict(wanted), "text": wanted.text or None, "whole": row is not None, "now": at or now(), **reach_in(conn, asker)}


def list_events(city: City, asker: Asker, wanted: Wanted, *, limit: int = 50, offset: int = 0) -> tuple[list[Event], int]:
    """A page of the events that the asker may see, the newest first, and how many there are."""
    with city.db.connection() as conn:
        given = params_of(conn, asker, wanted)
        rows = conn.execute(LIST, {**given, "limit": limit, "offset": offset}).fetchall()
        counted = conn.execute(COUNT, given).fetchone()
    return [event_from(row) for row in rows], int(counted["n"]) if counted else 0


def find_event(city: City, asker: Asker, number: str) -> Event:
    """The event `number`; raises `NotFound`, also for one that the asker may not see."""
    with city.db.connection() as conn:
        row = conn.execute(ONE, {"number": number, **reach_in(conn, asker)}).fetchone()
        if row is None:
            # A task of it may have been handed to a unit that the record does not name: who may know of the case may see it.
            find_case(city, asker, number)
            row = conn.execute(f"SELECT {COLUMNS} FROM governance_event e WHERE e.number = %s", (number,)).fetchone()
    if row is None:
        raise not_found(Text(zh="事件", en="event"), number[:40])
    return event_from(row)


def event_by_code(city: City, code: str) -> Event:
    """The event whose reporter was given the follow-up code (查询码); raises `NotFound`."""
    row = city.db.one(BY_CODE, (token_hash(plain_code(code)),)) if plain_code(code) else None
    if row is None:
        raise not_found(Text(zh="查询码", en="follow-up code"), code[:20])
    return event_from(row)


def course_of(city: City, event: Event) -> Course:
    """The whole course of an event, for one who may see it."""
    if event.sample and event.number.startswith("S"):
        return Course(event, None, (), (), ())
    case, tasks = find_case(city, SYSTEM, event.number), case_tasks(city, SYSTEM, event.number)
    followers = tuple(event_from(row) for row in city.db.all(FOLLOWERS, (event.number,)))
    return Course(event, case, tuple(tasks), tuple(case_history(city, SYSTEM, event.number)), followers)


def mine(asker: Asker) -> str:
    """The reporter that the asker is; raises `Refused` for the public."""
    if not asker.signed_in:
        raise Refused(
            "governance.sign-in",
            Text(zh="登录后才能看自己报告的事件", en="Sign in to see what you reported"),
            Text(zh="登录，或用上报时给的查询码", en="Sign in, or use the follow-up code that you were given"),
            status=401,
        )
    return person_label(asker)


def export_events(city: City, asker: Asker, wanted: Wanted) -> Iterator[str]:
    """The events as CSV (with a byte order mark, for spreadsheets), no more than 200,000; without the reporters and their words."""
    yield "\ufeff" + _line(HEAD)
    offset = 0
    while offset < MOST_EXPORTED:
        with city.db.connection() as conn:
            rows = conn.execute(LIST, {**params_of(conn, asker, wanted), "limit": CHUNK, "offset": offset}).fetchall()
        yield "".join(_line(_cells(event_from(row))) for row in rows)
        offset += CHUNK
        if len(rows) < CHUNK:
            return


HEAD = [
    "number", "matter", "urgency", "source", "state", "county", "town", "village", "grid", "lead", "partners", "reported", "accepted",
    "dispatched", "handled", "closed", "due", "rating", "reopened", "merged_into", "repeat_of", "sample",
]  # fmt: skip


def _cells(event: Event) -> list[Any]:
    def clock(at: datetime | None) -> str:
        return f"{at.astimezone(CITY_ZONE):%Y-%m-%d %H:%M:%S}" if at else ""

    return [
        event.number, event.matter, event.urgency, event.source, event.state, event.county, event.town, event.village, event.grid,
        event.lead, " ".join(event.partners), *map(clock, (event.reported, event.accepted, event.dispatched, event.handled, event.closed)),
        clock(event.due), event.rating, event.reopened, event.merged_into, event.repeat_of, event.sample,
    ]  # fmt: skip


def _line(cells: list[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(["" if cell is None else cell for cell in cells])
    return out.getvalue()
