"""Which filings there are for whom (申办件清单), one filing, and what of its form its reader may see."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sanqu.affairs.catalogue import Item, Offered
from sanqu.affairs.filing import check_window, works_at_window
from sanqu.affairs.held import window_unit
from sanqu.affairs.records import COLUMNS, Filing, State, filing_from
from sanqu.cases.history import case_history, case_tasks, find_case
from sanqu.cases.records import Case, Step, Task, person_label
from sanqu.cases.rights import reach_of
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE
from sanqu.ground.errors import NotFound, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.secrets import plain_code, token_hash

FILTERS = """
FROM affairs_filing f WHERE (%(applicant)s::text IS NULL OR f.applicant = %(applicant)s)
  AND (%(thing)s::text IS NULL OR f.thing = %(thing)s)
  AND (%(state)s::text IS NULL OR f.state = %(state)s OR %(state)s = 'open' AND f.state IN ('submitted','amending','handling'))
  AND (%(channel)s::text IS NULL OR f.channel = %(channel)s)
  AND (%(since)s::timestamptz IS NULL OR f.submitted >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR f.submitted < %(until)s)
  AND (NOT %(rated)s OR f.rating IS NOT NULL) AND (NOT %(bad)s OR f.rating <= 2)
  AND (%(text)s::text IS NULL OR f.number = %(text)s OR f.holder ILIKE '%%' || %(text)s || '%%')
"""
LIST = f"SELECT {COLUMNS} {FILTERS} ORDER BY f.submitted DESC, f.number DESC LIMIT %(limit)s OFFSET %(offset)s"
COUNT = f"SELECT count(*) AS n {FILTERS}"
ONE = f"SELECT {COLUMNS} FROM affairs_filing f WHERE f.number = %s"
BY_CODE = f"SELECT {COLUMNS} FROM affairs_filing f WHERE f.code_hash = %s"
MOST_EXPORTED = 100_000
HEAD = [
    "number", "thing", "channel", "state", "submitted", "accepted", "by_rule", "done", "due", "fields", "fields_held", "papers", "papers_held",
    "legal_days", "visits_before", "rating", "rated_unit", "rerating",
]  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """Which filings are wanted; None and False leave a filter open."""

    applicant: str | None = None
    thing: str | None = None
    state: State | str | None = None
    channel: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    rated: bool = False
    bad: bool = False
    text: str | None = None


@dataclass(frozen=True)
class Course:
    """A filing with its case, tasks and steps."""

    filing: Filing
    case: Case
    tasks: tuple[Task, ...]
    steps: tuple[Step, ...]


def my_filings(city: City, asker: Asker, *, limit: int = 50, offset: int = 0) -> tuple[list[Filing], int]:
    """A page of what the asker has filed, the newest first, and how many there are."""
    return _list(city, Wanted(applicant=person_label(asker)), limit, offset)


def list_filings(city: City, asker: Asker, wanted: Wanted, *, limit: int = 50, offset: int = 0) -> tuple[list[Filing], int]:
    """A page of all filings, for those who work at the window; raises `Refused` for others."""
    check_window(city, asker)
    return _list(city, wanted, limit, offset)


def _list(city: City, wanted: Wanted, limit: int, offset: int) -> tuple[list[Filing], int]:
    given = asdict(wanted) | {"text": wanted.text or None}
    counted = city.db.one(COUNT, given)
    rows = city.db.all(LIST, {**given, "limit": limit, "offset": offset})
    return [filing_from(row) for row in rows], int(counted["n"]) if counted else 0


def export_filings(city: City, asker: Asker, wanted: Wanted) -> Iterator[str]:
    """The filings as CSV with a byte order mark, without whom they are for; for those who work at the window."""
    found, _ = list_filings(city, asker, wanted, limit=MOST_EXPORTED)
    yield "\ufeff" + _line(HEAD)
    for one in found:
        yield _line(_cells(one))


def _cells(one: Filing) -> list[Any]:
    def clock(at: datetime | None) -> str:
        return f"{at.astimezone(CITY_ZONE):%Y-%m-%d %H:%M:%S}" if at else ""

    return [
        one.number, one.thing, one.channel, one.state, clock(one.submitted), clock(one.accepted), one.by_rule, clock(one.done), clock(one.due),
        len(one.form), one.fields_held, one.papers_asked, one.papers_held, one.legal_days, one.visits_before, one.rating, one.rated_unit, one.rerating,
    ]  # fmt: skip


def _line(cells: list[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(["" if cell is None else cell for cell in cells])
    return out.getvalue()


def find_filing(city: City, asker: Asker, number: str) -> Filing:
    """The filing `number`; raises `NotFound`, also for one whose case the asker may not know of."""
    row = city.db.one(ONE, (number,))
    if row is None or not (asker.signed_in and _may_see(city, asker, number)):
        raise not_found(Text(zh="申办件", en="filing"), number[:40])
    return filing_from(row)


def _may_see(city: City, asker: Asker, number: str) -> bool:
    try:
        find_case(city, asker, number)
    except NotFound:
        return False
    return True


def filing_by_code(city: City, code: str) -> Filing:
    """The filing whose applicant was given the follow-up code (查询码) at the window; raises `NotFound`."""
    row = city.db.one(BY_CODE, (token_hash(plain_code(code)),)) if plain_code(code) else None
    if row is None:
        raise not_found(Text(zh="查询码", en="follow-up code"), code[:20])
    return filing_from(row)


def course_of(city: City, filing: Filing) -> Course:
    """The whole course of a filing, for one who may see it."""
    case, tasks = find_case(city, SYSTEM, filing.number), case_tasks(city, SYSTEM, filing.number)
    return Course(filing, case, tuple(tasks), tuple(case_history(city, SYSTEM, filing.number)))


def items_for(city: City, asker: Asker, filing: Filing, offered: Offered) -> tuple[Item, ...]:
    """The fields of a filing that its reader may see: all for the applicant and the window, else those of their department's matters."""
    if filing.applicant == person_label(asker) or works_at_window(city, asker):
        return offered.items
    if filing.city:
        # No department here handles it.
        return ()
    above = window_unit(city).rpartition("-")[0]
    with city.db.connection() as conn:
        reach = set(reach_of(conn, asker)["reach"])
    mine = [matter for matter in offered.matters if f"{above}-{matter.department}" in reach]
    names = {name for matter in mine for name in matter.items}
    return tuple(item for item in offered.items if item.name in names)


def shown_values(items: tuple[Item, ...], filing: Filing) -> Mapping[str, Any]:
    """What was said at the fields that a reader may see."""
    return {item.name: filing.form[item.name] for item in items if item.name in filing.form}
