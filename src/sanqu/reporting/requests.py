"""Requests (报表): a form of figures asked of places over a period; each cell is taken from what the city has, and only the rest is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from sanqu.cases.records import person_label
from sanqu.cases.start import start_case
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput, Refused, SanquError, not_found
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import Asker
from sanqu.lake import quote_ident
from sanqu.reporting.figures import Entry, Figure, Source, bureau_of, check_period, find_figure, require_staff
from sanqu.reporting.values import newest_values
from sanqu.sharing.door import Question, ask

APPROVAL = "report-form"
MOST_PLACES, MOST_FIGURES = 200, 30
How = Literal["reported", "awaited", "dataset", "asked"]

PLACES = "SELECT code FROM org_unit WHERE code = ANY(%s) AND kind IN ('county', 'town', 'village') AND state = 'active'"
AWAITED = """
SELECT DISTINCT c.figure, c.place, c.request FROM reporting_cell c JOIN reporting_request r ON r.number = c.request
WHERE c.how = 'asked' AND r.state = 'open' AND r.period = %(period)s AND c.figure = ANY(%(figures)s) AND c.place = ANY(%(places)s)
    AND NOT EXISTS (SELECT FROM reporting_value v WHERE (v.figure, v.place, v.period) = (c.figure, c.place, r.period))
"""
NUMBER = "SELECT nextval('reporting_request_number') AS n"
ADD = """
INSERT INTO reporting_request (number, title, why, unit, period, figures, places, days, state, creator, created, sample)
VALUES (%(number)s, %(title)s, %(why)s, %(unit)s, %(period)s, %(figures)s, %(places)s, %(days)s, 'submitted', %(creator)s, %(created)s, %(sample)s)
"""
SET_CASE = "UPDATE reporting_request SET case_number = %s WHERE number = %s"
ADD_CELL = "INSERT INTO reporting_cell (request, figure, place, how, value, source) VALUES (%s, %s, %s, %s, %s, %s)"
COLUMNS = "number, title, why, unit, period, figures, places, days, state, answer, case_number, creator, created, sample"
ONE = f"SELECT {COLUMNS} FROM reporting_request WHERE number = %s"
WANTED = "(%(text)s::text IS NULL OR title ILIKE %(like)s OR number ILIKE %(like)s) AND (%(state)s::text IS NULL OR state = %(state)s)"
LIST = f"SELECT {COLUMNS} FROM reporting_request WHERE {WANTED} ORDER BY created DESC, number DESC LIMIT %(limit)s OFFSET %(offset)s"
COUNT = f"SELECT count(*) AS n FROM reporting_request WHERE {WANTED}"
CELLS = "SELECT figure, place, how, value, source FROM reporting_cell WHERE request = %s ORDER BY place, figure"
BURDEN = """
SELECT c.place, count(*) AS cells, count(*) FILTER (WHERE c.how = 'asked') AS asked, count(*) FILTER (WHERE c.how = 'dataset') AS dataset,
    count(*) FILTER (WHERE c.how IN ('reported', 'awaited')) AS reported
FROM reporting_cell c JOIN reporting_request r ON r.number = c.request WHERE r.state = 'open' GROUP BY 1 ORDER BY 3 DESC, 1
"""


@dataclass(frozen=True)
class Cell:
    """One cell: what it is filled from, its value as far as there is one, and where that comes from."""

    figure: str
    place: str
    how: How
    value: Decimal | None
    source: str


@dataclass(frozen=True)
class Report:
    """One request (报表)."""

    number: str
    title: str
    why: str
    unit: str
    period: str
    figures: tuple[str, ...]
    places: tuple[str, ...]
    days: int
    state: str
    answer: str
    case_number: str | None
    creator: str
    created: datetime
    sample: bool


@dataclass(frozen=True)
class Burden:
    """What a place was asked and what it was spared: cells in all, asked, filled from datasets, taken from reports."""

    place: str
    cells: int
    asked: int
    dataset: int
    reported: int

    @property
    def saved(self) -> float:
        """The share of cells that the place was not asked."""
        return 1 - self.asked / self.cells if self.cells else 0.0


def plan_cells(city: City, asker: Asker, figures: Sequence[str], places: Sequence[str], period: str) -> tuple[list[Cell], list[Text]]:
    """What each cell would be filled from, and why a dataset that holds a figure could not be read by the asker.

    Raises `BadInput` for a period or number of cells that does not fit, `NotFound` for a figure or place.
    """
    require_staff(asker)
    with city.db.connection() as conn:
        entries = _checked(conn, figures, places, period)
        known = newest_values(conn, list(figures), list(places), period)
        awaited = {(str(row["figure"]), str(row["place"])): str(row["request"]) for row in conn.execute(AWAITED, {"figures": list(figures), "places": list(places), "period": period})}
    held, faults = _held(city, asker, [one.figure for one in entries], places, period)
    cells = []
    for figure in figures:
        for place in places:
            at = (figure, place)
            if at in known:
                cells.append(Cell(figure, place, "reported", known[at].value, known[at].request))
            elif figure in held:
                # A count that has no row for a place is none there; a sum is not known.
                cells.append(Cell(figure, place, "dataset", held[figure][1].get(place, Decimal(0)), held[figure][0]))
            elif at in awaited:
                cells.append(Cell(figure, place, "awaited", None, awaited[at]))
            else:
                cells.append(Cell(figure, place, "asked", None, ""))
    return cells, faults


def _checked(conn: Connection, figures: Sequence[str], places: Sequence[str], period: str) -> list[Entry]:
    if not 0 < len(set(figures)) <= MOST_FIGURES or not 0 < len(set(places)) <= MOST_PLACES or len(set(figures)) < len(figures) or len(set(places)) < len(places):
        raise BadInput(
            "reporting.size", Text(zh="指标或报数单位没有选，或太多、重复", en="No figures or places were chosen, too many, or one twice"),
            Text(zh=f"至多 {MOST_FIGURES} 个指标、{MOST_PLACES} 个单位", en=f"At most {MOST_FIGURES} figures and {MOST_PLACES} places"),
        )  # fmt: skip
    entries = [find_figure(conn, code) for code in figures]
    for one in entries:
        check_period(one.figure.kind, period)
        if one.state != "active":
            raise BadInput("reporting.proposed", Text(zh="这个指标还没有入库", en="This figure is only proposed"), Text(zh="等大数据局决定后再用", en="Wait for the bureau's decision"), one.figure.code)
    there = {str(row["code"]) for row in conn.execute(PLACES, (list(places),))}
    if missing := sorted(set(places) - there):
        raise not_found(Text(zh="报数单位（县、乡镇、村）", en="place (county, town or village)"), missing[0][:40])
    return entries


def _held(city: City, asker: Asker, figures: Sequence[Figure], places: Sequence[str], period: str) -> tuple[dict[str, tuple[str, dict[str, Decimal]]], list[Text]]:
    """Figures that a dataset gives: code → (source, value by place), and the refusals of the door for the others."""
    held: dict[str, tuple[str, dict[str, Decimal]]] = {}
    faults: list[Text] = []
    for figure in figures:
        if figure.source is None:
            continue
        try:
            held[figure.code] = (f"dataset:{figure.source.dataset}", _read(city, asker, figure.source, places, period))
        except SanquError as fault:
            # What the department may not read it must ask for; it is told what would spare the towns.
            faults.append(Text(zh=f"{figure.title.zh}：{fault.what.zh}；{fault.todo.zh}", en=f"{figure.title.in_('en')}: {fault.in_('en')}"))
    return held, faults


def _read(city: City, asker: Asker, source: Source, places: Sequence[str], period: str) -> dict[str, Decimal]:
    place = quote_ident(source.place)
    value = f"sum({quote_ident(source.value)})" if source.value else "count(*)"
    params: dict[str, Any] = {f"w{n}": wanted for n, wanted in enumerate(source.where.values())}
    tests = [f"{quote_ident(item)} = $w{n}" for n, item in enumerate(source.where)]
    if source.period:
        tests.append(f"CAST({quote_ident(source.period)} AS VARCHAR) = $period")
        params["period"] = period
    where = f" WHERE {' AND '.join(tests)}" if tests else ""
    sql = f"SELECT {place} AS place, {value} AS value FROM {quote_ident(source.dataset)}{where} GROUP BY {place}"
    rows = ask(city, asker, Question(sql, "reporting", params, rows=10_000, via="reporting")).table.to_pylist()
    return {str(row["place"]): Decimal(str(row["value"])) for row in rows if row["value"] is not None and str(row["place"]) in places}


def submit_request(
    city: City, asker: Asker, title: str, why: str, unit: str, figures: Sequence[str], places: Sequence[str], period: str, days: int = 5, *,
    sample: bool = False, at: datetime | None = None,
) -> Report:  # fmt: skip
    """Submit a form for the bureau's approval (报表准入); nobody is asked anything before.

    Raises `Refused` for one who does not work at the unit, `BadInput`, `NotFound`.
    """
    at = at or now()
    if unit not in asker.units and not asker.is_admin:
        raise Refused("reporting.unit", Text(zh="只能以任职的单位发报表", en="One asks for a unit at which one holds a role"), Text(zh="选自己的单位", en="Choose your own unit"), unit[:64])
    if not 0 < len(title.strip()) <= 120 or not 0 < len(why.strip()) <= 1000 or not 1 <= days <= 60:
        raise BadInput("reporting.request", Text(zh="名称、依据或天数不合规", en="Title, reason or days do not fit"), Text(zh="名称和依据必填；1 到 60 个工作日", en="Title and reason are needed; from 1 to 60 working days"), title[:40])
    with city.db.connection() as conn:
        _checked(conn, figures, places, period)
        row = conn.execute(NUMBER).fetchone()
        number = f"BB{at.astimezone(CITY_ZONE):%Y}-{int(row['n']) if row else 0:04d}"
        report = Report(number, title.strip(), why.strip(), unit, period, tuple(figures), tuple(places), days, "submitted", "", None, person_label(asker), at, sample)
        conn.execute(ADD, {**report.__dict__, "figures": list(figures), "places": list(places)})
        append(conn, kind="reporting.submitted", actor=asker.label, subject=f"report:{number}", facts={"unit": unit, "figures": list(figures), "places": len(places), "period": period})
        case = start_case(city, asker, APPROVAL, f"报表准入：{report.title}"[:200], f"report:{number}", unit, {"report": number, "bureau": bureau_of(city)}, conn=conn, at=at)
        conn.execute(SET_CASE, (case.number, number))
    return find_request(city, asker, number)


def keep_cells(conn: Connection, number: str, cells: Sequence[Cell]) -> None:
    """Keep what the cells of a request are filled from."""
    with conn.cursor() as cursor:
        cursor.executemany(ADD_CELL, [(number, one.figure, one.place, one.how, one.value if one.how == "dataset" else None, one.source) for one in cells])


def find_request(city: City, asker: Asker, number: str) -> Report:
    """A request, for whoever works for the city; raises `NotFound`, `Refused`."""
    require_staff(asker)
    row = city.db.one(ONE, (number,))
    if row is None:
        raise not_found(Text(zh="报表", en="request"), number[:40])
    return request_from(row)


def list_requests(city: City, asker: Asker, text: str | None = None, state: str | None = None, limit: int = 50, offset: int = 0) -> tuple[list[Report], int]:
    """A page of the catalogue of forms, the newest first; and how many there are."""
    require_staff(asker)
    wanted: dict[str, Any] = {"text": text or None, "like": f"%{text or ''}%", "state": state or None}
    counted = city.db.one(COUNT, wanted)
    return [request_from(row) for row in city.db.all(LIST, {**wanted, "limit": limit, "offset": offset})], int(counted["n"]) if counted else 0


def cells_of(city: City, report: Report) -> dict[tuple[str, str], Cell]:
    """The cells of a request as they stand now, corrections too, by figure and place."""
    with city.db.connection() as conn:
        known = newest_values(conn, list(report.figures), list(report.places), report.period)
        rows = conn.execute(CELLS, (report.number,)).fetchall()
    found = {}
    for row in rows:
        at = (str(row["figure"]), str(row["place"]))
        reported = known.get(at) if row["how"] != "dataset" else None
        source = str(row["source"]) or (reported.request if reported else "")
        found[at] = Cell(*at, row["how"], reported.value if reported else row["value"], source)
    return found


def burden(city: City, asker: Asker) -> list[Burden]:
    """What each place was asked and spared by all open requests, those asked most first."""
    require_staff(asker)
    return [Burden(str(row["place"]), row["cells"], row["asked"], row["dataset"], row["reported"]) for row in city.db.all(BURDEN)]


def request_from(row: Mapping[str, Any]) -> Report:
    """The request in a row of `COLUMNS`."""
    return Report(**{**row, "figures": tuple(row["figures"]), "places": tuple(row["places"])})
