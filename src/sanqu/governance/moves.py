"""What the process of an event does in code: the record beside the case follows each step, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sanqu.cases.hooks import Shown, on_end, on_forward, on_service, on_show
from sanqu.cases.notices import colleagues, tell
from sanqu.cases.proposals import learn_from
from sanqu.cases.records import Case, Task
from sanqu.governance.dispatching import TASK, decide_event
from sanqu.governance.places import Place
from sanqu.governance.records import COLUMNS, OPEN, PROCESS, Event, event_from
from sanqu.governance.responsible import handlers_at
from sanqu.ground.city import City
from sanqu.ground.clock import moment
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import Asker

# A rating up to this one is no satisfaction.
BAD = 2

ONE = f"SELECT {COLUMNS} FROM governance_event e WHERE e.number = %s"
FOLLOWERS = f"SELECT {COLUMNS} FROM governance_event e WHERE e.merged_into = %s ORDER BY e.id"
ACCEPTED = f"""
UPDATE governance_event e SET state = 'handling', accepted = coalesce(accepted, %(at)s), changed = %(at)s WHERE number = %(number)s
RETURNING {COLUMNS}
"""
SORTING = f"UPDATE governance_event e SET state = 'dispatching', changed = %(at)s WHERE number = %(number)s RETURNING {COLUMNS}"
DISPATCHED = """
UPDATE governance_event SET state = 'handling', dispatched = coalesce(dispatched, %(at)s), lead = %(lead)s, partners = %(partners)s,
    changed = %(at)s WHERE number = %(number)s
"""
FORWARDED = """
UPDATE governance_event SET lead = %(lead)s, partners = array_remove(partners, %(lead)s), changed = %(at)s WHERE number = %(number)s
"""
BY_HAND = """
SELECT done_by, result FROM case_task WHERE case_id = %s AND name = 'dispatch' AND state = 'done' ORDER BY done_at DESC LIMIT 1
"""
HANDLED = "UPDATE governance_event SET state = 'verifying', handled = %(at)s, outcome = %(outcome)s, changed = %(at)s WHERE number = %(number)s"
AGAIN = "UPDATE governance_event SET state = 'handling', handled = NULL, changed = %(at)s WHERE number = %(number)s"
CLOSED = f"UPDATE governance_event e SET state = 'closed', closed = %(at)s, changed = %(at)s WHERE number = %(number)s RETURNING {COLUMNS}"
RATED = "UPDATE governance_event SET rating = %(rating)s, changed = %(at)s WHERE number = %(number)s"
REOPENED = """
UPDATE governance_event SET state = 'dispatching', reopened = true, closed = NULL, handled = NULL, changed = %(at)s WHERE number = %(number)s
"""
ENDED = "UPDATE governance_event SET state = %(state)s, closed = %(at)s, outcome = %(outcome)s, changed = %(at)s WHERE number = %(number)s"
MERGED = """
UPDATE governance_event SET state = 'merged', merged_into = %(into)s, closed = %(at)s, changed = %(at)s WHERE number = %(number)s
"""


def event_of(conn: Connection, number: str) -> Event:
    """The event beside the case `number`, whoever asks."""
    row = conn.execute(ONE, (number,)).fetchone()
    assert row is not None
    return event_from(row)


def tell_reporters(conn: Connection, event: Event, at: datetime, zh: str, en: str) -> None:
    """Tell the reporter of an event, and those whose reports were merged into it, each on the page of their own report."""
    followers = [event_from(row) for row in conn.execute(FOLLOWERS, (event.number,))]
    for one in (event, *followers):
        tell(conn, [one.reporter], at, Text(zh=f"{zh}：{one.title}", en=f"{en}: {one.title}"), f"/my/events/{one.number}")


def _accepted(_city: City, conn: Connection, case: Case) -> Mapping[str, Any]:
    """Accept it, and ask the newest table to whom it goes: it may have learned since the report."""
    event = _changed(conn, ACCEPTED, case)
    tell_reporters(conn, event, moment(), "已受理", "Accepted")
    said = decide_event(conn, event.matter, _place_of(event))
    return {"clear": said.unit is not None, "handler": said.unit, **said.data}


def _changed(conn: Connection, update: str, case: Case) -> Event:
    """The event beside a case, as an update that returns it leaves it."""
    row = conn.execute(update, {"at": moment(), "number": case.number}).fetchone()
    assert row is not None
    return event_from(row)


def _place_of(event: Event) -> Place:
    return Place(event.lon, event.lat, event.grid, event.village, event.town, event.county)


def _sort(_city: City, conn: Connection, case: Case) -> Mapping[str, Any]:
    event = _changed(conn, SORTING, case)
    return {"handlers": handlers_at(conn, _place_of(event), [unit for unit in (event.lead, *event.partners) if unit])}


def _dispatched(_city: City, conn: Connection, case: Case) -> Mapping[str, Any]:
    lead = case.data["handler"]
    partners = [one for one in dict.fromkeys((case.data.get("partner_a"), case.data.get("partner_b"))) if one and one != lead]
    at = moment()
    conn.execute(DISPATCHED, {"at": at, "number": case.number, "lead": lead, "partners": partners})
    _learn(conn, case, lead, at)
    for unit in (lead, *partners):
        # Whose in-tray it is now; colleagues of a large office find it there.
        told = Text(zh=f"新事件待办：{case.title}", en=f"A new event to handle: {case.title}")
        tell(conn, colleagues(conn, unit), at, told, f"/events/{case.number}")
    # A list of dozens of units is of no use any more, and every step carries the data.
    return {"partner_a": next(iter(partners), None), "partner_b": next(iter(partners[1:]), None), "handlers": None}


def _learn(conn: Connection, case: Case, lead: str, at: datetime) -> None:
    """Where somebody dispatched it by hand and said why, that is a proposal for the table."""
    row = conn.execute(BY_HAND, (case.id,)).fetchone()
    why = str(row["result"].get("dispatch_note") or "").strip() if row else ""
    if row is not None and why:
        learn_from(conn, case, TASK, lead, why, str(row["done_by"]), at)


def _forwarded(_city: City, conn: Connection, case: Case, task: Task, unit: str) -> Mapping[str, Any] | None:
    """Whoever is handed the task of the lead is in the lead, also when it is to be done again."""
    if task.name != TASK:
        return None
    conn.execute(FORWARDED, {"at": moment(), "number": case.number, "lead": unit})
    return {"handler": unit}


def _handled(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(HANDLED, {"at": moment(), "number": case.number, "outcome": str(case.data.get("answer") or "")})


def _again(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(AGAIN, {"at": moment(), "number": case.number})


def _close(_city: City, conn: Connection, case: Case) -> None:
    tell_reporters(conn, _changed(conn, CLOSED, case), moment(), "已办结，请您评价", "Closed; please rate it")


def _rated(_city: City, conn: Connection, case: Case) -> Mapping[str, Any]:
    at, event = moment(), event_of(conn, case.number)
    rating = int(case.data["rating"]) if case.data.get("rating") else None
    if rating is not None:
        conn.execute(RATED, {"at": at, "number": case.number, "rating": rating})
    reopen = rating is not None and rating <= BAD and not event.reopened
    if reopen:
        conn.execute(REOPENED, {"at": at, "number": case.number})
        told = Text(zh=f"报告人不满意，重新办理：{case.title}", en=f"The reporter is not content, it opens again: {case.title}")
        tell(conn, colleagues(conn, event.lead), at, told, f"/events/{case.number}")
    return {"reopen": reopen}


def _refuse(_city: City, conn: Connection, case: Case) -> None:
    at = moment()
    conn.execute(ENDED, {"at": at, "number": case.number, "state": "refused", "outcome": str(case.data.get("note") or "")})
    tell_reporters(conn, event_of(conn, case.number), at, "不予受理", "Not accepted")


def _merge(_city: City, conn: Connection, case: Case) -> None:
    """Make the event a follower of the one it repeats, and those that followed it too."""
    into = str(case.data.get("same_as") or "").strip()
    row = conn.execute(ONE, (into,)).fetchone()
    target = event_from(row) if row else None
    if target is not None and target.merged_into is not None:
        target = event_of(conn, target.merged_into)
    if target is None or target.number == case.number or target.state not in (*OPEN, "closed"):
        raise BadInput(
            "governance.merge",
            Text(zh="没有可以并入的这件事件", en="There is no such event that it could be merged into"),
            Text(
                zh="填另一件未被并入的事件编号，或改为受理",
                en="Give the number of another event that goes on, or accept this one",
            ),
            into[:40] or case.number,
        )
    at = moment()
    conn.execute("UPDATE governance_event SET merged_into = %s WHERE merged_into = %s", (target.number, case.number))
    conn.execute(MERGED, {"at": at, "number": case.number, "into": target.number})
    event = event_of(conn, case.number)
    told = Text(
        zh=f"与已有事件相同，一并办理：{event.title}", en=f"The same was reported before; both are handled as one: {event.title}"
    )
    tell(conn, [event.reporter], at, told, f"/my/events/{event.number}")


def _ended(_city: City, conn: Connection, case: Case) -> None:
    if case.state == "withdrawn" and event_of(conn, case.number).is_open:
        why = str(case.data.get("withdrawn_because") or "")
        conn.execute(ENDED, {"at": moment(), "number": case.number, "state": "withdrawn", "outcome": why})


def _shown(city: City, asker: Asker, case: Case) -> Shown:
    row = city.db.one(ONE, (case.number,))
    if row is None:
        return Shown()
    event = event_from(row)
    page = f"/events/{event.number}" if asker.is_staff else f"/my/events/{event.number}"
    facts: list[tuple[Text, Text | str]] = [(Text(zh="地点", en="Place"), event.address)] if event.address else []
    return Shown(tuple(facts), ((Text(zh="事件：照片、地点、经过", en="The event: photos, place, course"), page),))


for _name, _does in {
    "accepted": _accepted, "sort": _sort, "dispatched": _dispatched, "handled": _handled, "again": _again, "close": _close,
    "rated": _rated, "refuse": _refuse, "merge": _merge,
}.items():  # fmt: skip
    on_service(PROCESS, _name, _does)
on_end(PROCESS, _ended)
on_forward(PROCESS, _forwarded)
on_show(PROCESS, _shown)
