"""What the processes of report-once do in code: a form is let in, towns are asked for the rest, what they report is kept."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sanqu.cases.history import done_by
from sanqu.cases.hooks import Shown, on_service, on_show, on_task
from sanqu.cases.notices import colleagues, tell
from sanqu.cases.records import Case
from sanqu.cases.start import start_case
from sanqu.ground.city import City
from sanqu.ground.clock import now
from sanqu.ground.database import Connection
from sanqu.ground.errors import BadInput
from sanqu.ground.i18n import Text
from sanqu.ground.ledger import append
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.ground.people.persons import asker_for
from sanqu.reporting.figures import Figure, find_figure
from sanqu.reporting.requests import APPROVAL, ONE, Report, keep_cells, plan_cells, request_from
from sanqu.reporting.values import check_values, keep_value, read_number

FILLING = "report-fill"
DECIDED = "UPDATE reporting_request SET state = %s, answer = %s WHERE number = %s"
TITLE = "SELECT title_zh FROM org_unit WHERE code = %s"


def request_of(conn: Connection, number: str) -> Report:
    """The request of this number, whoever asks."""
    row = conn.execute(ONE, (number,)).fetchone()
    assert row is not None
    return request_from(row)


def _open(city: City, conn: Connection, case: Case) -> Mapping[str, Any]:
    """Let the form in: see again what the city has, and ask each place for the rest, if there is any."""
    report = request_of(conn, case.data["report"])
    # The department's own rights decide what is read for it, not those of the bureau that lets the form in.
    person = report.creator.removeprefix("user:")
    asker = (asker_for(conn, int(person)) if person.isdigit() else SYSTEM) or Asker(name="", held=())
    cells, _ = plan_cells(city, asker, report.figures, report.places, report.period)
    keep_cells(conn, report.number, cells)
    conn.execute(DECIDED, ("open", str(case.data.get("note") or ""), report.number))
    asked: dict[str, list[str]] = {}
    for one in cells:
        if one.how == "asked":
            asked.setdefault(one.place, []).append(one.figure)
    for place, figures in asked.items():
        data = {"report": report.number, "place": place, "figures": figures, "within": f"{report.days}wd", "decision": ""}
        row = conn.execute(TITLE, (place,)).fetchone()
        title = f"报数：{report.title} · {row['title_zh'] if row else place}"[:200]
        filled = start_case(city, SYSTEM, FILLING, title, f"report:{report.number}", place, data, conn=conn)
        tell(conn, colleagues(conn, place), now(), Text(zh=f"请报 {len(figures)} 个数：{report.title}", en=f"{len(figures)} figures are asked of you: {report.title}"), f"/reports/fill/{filled.number}")
    facts = {"cells": len(cells), "asked": sum(len(each) for each in asked.values()), "places": len(asked)}
    append(conn, kind="reporting.opened", actor=SYSTEM.label, subject=f"report:{report.number}", facts=facts)
    return facts


def _refuse(_city: City, conn: Connection, case: Case) -> None:
    conn.execute(DECIDED, ("refused", str(case.data.get("note") or ""), case.data["report"]))


def figures_of(conn: Connection, case: Case) -> dict[str, Figure]:
    """The figures that a place is asked in a case."""
    return {code: find_figure(conn, code).figure for code in case.data["figures"]}


def _check(_city: City, conn: Connection, case: Case) -> Mapping[str, Any]:
    """Check what was filled in, whole and by the rules of each figure; what does not fit undoes the step."""
    report, figures = request_of(conn, case.data["report"]), figures_of(conn, case)
    said = case.data.get("values") or {}
    if missing := [figure.title for code, figure in figures.items() if not str(said.get(code) or "").strip()]:
        raise BadInput("reporting.missing", Text(zh=f"还没有填：{missing[0].zh}", en=f"Not filled in: {missing[0].in_('en')}"), Text(zh="每一项都要填；没有就填 0", en="Fill in each; 0 where there is none"))
    if strange := sorted(set(said) - set(figures)):
        raise BadInput("reporting.strange", Text(zh=f"没有要求报 {strange[0][:40]}", en=f"{strange[0][:40]} was not asked"), Text(zh="只报要求的项", en="Report what was asked"))
    values = {code: read_number(str(said[code]), figure) for code, figure in figures.items()}
    check_values(conn, figures, case.data["place"], report.period, values, str(case.data.get("explained") or ""))
    return {"values": {code: str(value) for code, value in values.items()}}


def _publish(_city: City, conn: Connection, case: Case) -> None:
    """Keep the values as the place's report, for this request and all others that use them."""
    report, at, by = request_of(conn, case.data["report"]), now(), done_by(conn, case, "fill")
    for code, value in case.data["values"].items():
        keep_value(conn, code, case.data["place"], report.period, Decimal(value), report.number, by, at, str(case.data.get("explained") or ""))
    facts = {"place": case.data["place"], "figures": sorted(case.data["values"])}
    append(conn, kind="reporting.reported", actor=by, subject=f"report:{report.number}", facts=facts)


def _shown(city: City, asker: Asker, case: Case) -> Shown:
    row = city.db.one(ONE, (str(case.data.get("report")),))
    if row is None:
        return Shown()
    report = request_from(row)
    facts: list[tuple[Text, Text | str]] = [(Text(zh="报表", en="Request"), f"{report.number} · {report.title}"), (Text(zh="期别", en="Period"), report.period), (Text(zh="依据", en="Reason"), report.why)]
    with city.db.connection() as conn:
        for code, value in (case.data.get("values") or {}).items():
            figure = find_figure(conn, code).figure
            facts.append((figure.title, f"{value} {figure.unit}"))
    return Shown(tuple(facts), ((Text(zh="报表", en="The request"), f"/reports/{report.number}"),) if asker.is_staff else ())


on_service(APPROVAL, "open", _open)
on_service(APPROVAL, "refuse", _refuse)
on_service(FILLING, "check", _check)
on_service(FILLING, "publish", _publish)
on_show(APPROVAL, _shown)
on_show(FILLING, _shown)
on_task(FILLING, "fill", "/reports/fill/{number}")
