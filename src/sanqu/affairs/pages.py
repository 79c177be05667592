"""The pages of affairs for everybody: the catalogue, guides, filing, one's own filings, what was saved, ratings."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sanqu.affairs.catalogue import Offered, catalogue_of, search
from sanqu.affairs.certificates import certificates_held, certificates_of
from sanqu.affairs.crossing import certificates_away
from sanqu.affairs.filing import amend, amender, file_online, held_for, subject_of, works_at_window
from sanqu.affairs.filings import course_of, find_filing, items_for, my_filings, shown_values
from sanqu.affairs.forms import FIELD, form_of, new_from, picked_in, span_of
from sanqu.affairs.held import NOTHING, Held, identity_of, sources_of, window_unit
from sanqu.affairs.knowing import known_of
from sanqu.affairs.materials import asked_of, names_of, values_held
from sanqu.affairs.partners import letters_sent
from sanqu.affairs.records import Filing
from sanqu.affairs.saved import days_taken, ratings, saved
from sanqu.cases.files import files_in
from sanqu.cases.hours import hours_of
from sanqu.cases.pages import TOOLS, persons_named, units_named
from sanqu.cases.records import person_label
from sanqu.cases.rights import may_act
from sanqu.cases.work import complete_task, find_task
from sanqu.ground.city import City
from sanqu.ground.clock import CITY_ZONE, now
from sanqu.ground.errors import BadInput, not_found
from sanqu.ground.http import Asking, InCity, InPerson, Paging, SignedIn
from sanqu.ground.i18n import Text
from sanqu.ground.pages import render
from sanqu.ground.people.askers import SYSTEM, Asker
from sanqu.sharing.my_data import Identity, consent_to, has_consented, identities_of

router = APIRouter(include_in_schema=False)

CSV = "text/csv; charset=utf-8"
TextField = Annotated[str, Form()]


def routers() -> tuple[APIRouter, ...]:
    """All of the room's pages; those with fixed addresses before those of things."""
    # Imported here: the window shows the same forms as these pages.
    from sanqu.affairs import certificate_pages, cross_pages, subsidy_pages, window_pages

    return window_pages.router, subsidy_pages.router, certificate_pages.router, cross_pages.router, router


@router.get("/affairs")
def catalogue_page(request: Request, city: InCity, asker: Asking, page: Paging, q: str = "", who: str = "") -> HTMLResponse:
    """What can be done here: things first, then matters of their own."""
    offer = catalogue_of(city)
    found = search(offer.offered(), q[:100], who if who in ("person", "enterprise") else "")
    shown = found[page.offset : page.offset + page.limit]
    window = asker.signed_in and works_at_window(city, asker)
    return render(request, "affairs/catalogue.html", offered=shown, total=len(found), page=page, q=q, who=who, window=window, cities=offer.cities)


@router.get("/affairs/matters")
def matters_page(request: Request, city: InCity, page: Paging, q: str = "", unit: str = "") -> HTMLResponse:
    """Every matter with its days, papers and visits."""
    found = _matters(city, q, unit)
    named = units_named(city, {one[1] for one in _matters(city, "", "")})
    return render(
        request, "affairs/matters.html", matters=found[page.offset : page.offset + page.limit], total=len(found), page=page, q=q, unit=unit, units=named
    )


def _matters(city: City, q: str, unit: str) -> list[tuple[Any, str]]:
    above = _above(city)
    words = q.lower().split()
    rows = [(one, f"{above}-{one.department}") for one in catalogue_of(city).matters.values()]
    return [
        row for row in rows if (not unit or row[1] == unit) and all(word in f"{row[0].title.zh} {row[0].title.en} {row[0].group.zh}".lower() for word in words)
    ]


def _above(city: City) -> str:
    return window_unit(city).rpartition("-")[0]


@router.get("/affairs/matters.csv")
def matters_file(city: InCity, q: str = "", unit: str = "") -> Response:
    """The matters as CSV."""
    out = io.StringIO("\ufeff")
    out.seek(1)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["code", "title_zh", "title_en", "unit", "legal_days", "promised_days", "visits_before", "visits_now", "materials", "result"])
    for one, code in _matters(city, q, unit):
        result = one.result.title.zh if one.result else ""
        writer.writerow([
            one.code, one.title.zh, one.title.en, code, one.days.legal, one.days.promised, one.visits.before, one.visits.now, len(one.materials), result,
        ])  # fmt: skip
    return Response(out.getvalue(), media_type=CSV, headers={"Content-Disposition": 'attachment; filename="matters.csv"'})


@router.get("/affairs/matters/{code}")
def matter_page(request: Request, city: InCity, code: str) -> HTMLResponse:
    """The guide of a matter (办事指南)."""
    offer = catalogue_of(city)
    matter = offer.matter(code)
    away = offer.away.get(code)
    unit = f"{_above(city)}-{matter.department}" if away is None else matter.city
    units = units_named(city, {unit}) if away is None else offer.cities
    items = offer.items if away is None else {item.name: item for item in away.items}
    things = [one for one in offer.offered() if matter in one.matters]
    return render(request, "affairs/matter.html", matter=matter, unit=unit, units=units, things=things, items=items)


@router.get("/affairs/mine")
def mine_page(request: Request, city: InCity, asker: SignedIn, page: Paging) -> HTMLResponse:
    """What I filed, and the certificates that are mine."""
    filings, total = my_filings(city, asker, limit=page.limit, offset=page.offset)
    certificates, _ = certificates_held(city, [one.value for one in identities_of(city, asker)], limit=50)
    offer = catalogue_of(city)
    context: dict[str, Any] = {
        "filings": filings, "total": total, "page": page, "things": offer.titles(), "cities": offer.cities, "at": now(), "certificates": certificates,
        "away": certificates_away(city, filings), "today": _today(),
    }  # fmt: skip
    return render(request, "affairs/mine.html", **context, **TOOLS)


def _today() -> Any:
    return now().astimezone(CITY_ZONE).date()


@router.get("/affairs/saved")
def saved_page(request: Request, city: InCity) -> HTMLResponse:
    """Time, papers and visits saved, with the arithmetic."""
    since, until = span_of(request.query_params)
    whole, rows = saved(city, since, until)
    return render(request, "affairs/saved.html", whole=whole, rows=rows, things=catalogue_of(city).titles(), said=request.query_params)


@router.get("/affairs/ratings")
def ratings_page(request: Request, city: InCity, by: Literal["thing", "unit"] = "thing") -> HTMLResponse:
    """How filings were rated, by thing or by unit, and what became of bad ratings."""
    since, until = span_of(request.query_params)
    rows = ratings(city, by, since, until)
    titles: Mapping[str, Text] = units_named(city, {row.key for row in rows}) if by == "unit" else catalogue_of(city).titles()
    return render(request, "affairs/ratings.html", rows=rows, by=by, titles=titles, said=request.query_params)


@router.get("/affairs/filings/{number}")
def filing_page(request: Request, city: InCity, asker: SignedIn, number: str) -> HTMLResponse:
    """A filing: where it stands, what may be done, the form, materials and certificates."""
    return show_filing(request, city, asker, find_filing(city, asker, number))


def show_filing(
    request: Request, city: City, asker: Asker, filing: Filing, *, fault: BadInput | None = None, filled: Mapping[str, str] | None = None,
    at_task: UUID | None = None, code: str = "",
) -> HTMLResponse:  # fmt: skip
    """The page of a filing; with `fault`, what is wrong with the form of `at_task` that was `filled` in; by `code`, for its holder."""
    offer = catalogue_of(city)
    offered, course = offer.find(filing.thing), course_of(city, filing)
    mine = bool(code) or filing.applicant == person_label(asker)
    items = offered.items if code else items_for(city, asker, filing, offered)
    with city.db.connection() as conn:
        acting = [
            (task, (task.assignee is not None) if code else may_act(conn, asker, task)) for task in course.tasks if task.state == "ready"
        ]  # fmt: skip
    units = {*(task.unit for task in course.tasks), filing.rated_unit}
    people = {step.actor for step in course.steps} | {task.done_by for task in course.tasks if task.done_by}
    whole = mine or len(items) == len(offered.items)
    context: dict[str, Any] = {
        "cities": offer.cities, "away": certificates_away(city, [filing]) if whole else [],
        "unsent": letters_sent(city, "waiting", filing=filing.number)[0] if filing.city or filing.origin else [],
        "filing": filing, "offered": offered, "course": course, "items": items, "values": shown_values(items, filing), "mine": mine, "code": code,
        "open_tasks": acting, "done_tasks": [task for task in course.tasks if task.state == "done"], "fault": fault, "filled": filled or {},
        "at_task": at_task, "certificates": certificates_of(city, filing) if whole else [], "today": _today(), "at": now(),
        "units": units_named(city, units), "names": persons_named(city, people), "days": days_taken(filing, hours_of(city.settings)), "case": course.case,
        # Photos of papers are for those who see the whole form.
        "files": files_in(city, course.case) if not code and len(items) == len(offered.items) else [],
        "may_amend": filing.applicant == SYSTEM.label and not filing.origin and not code and works_at_window(city, asker),
    }  # fmt: skip
    return render(request, "affairs/filing.html", fault.status if fault else 200, **context, **TOOLS)


@router.post("/affairs/filings/{number}/tasks/{id_}")
async def complete(request: Request, city: InCity, asker: SignedIn, number: str, id_: UUID) -> Response:
    """Do a task of a filing on its page."""
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    return await run_in_threadpool(_complete, request, city, asker, number, id_, form)


def _complete(request: Request, city: City, asker: Asker, number: str, id_: UUID, form: dict[str, str]) -> Response:
    filing = find_filing(city, asker, number)
    if find_task(city, asker, id_).case != filing.number:
        raise not_found(Text(zh="任务", en="task"), str(id_))
    try:
        complete_task(city, asker, id_, form)
    except BadInput as fault:
        return show_filing(request, city, asker, filing, fault=fault, filled=form, at_task=id_)
    return RedirectResponse(f"/affairs/filings/{number}", 303)


@router.get("/affairs/filings/{number}/amend")
def amend_page(request: Request, city: InCity, asker: SignedIn, number: str) -> HTMLResponse:
    """Add what was missing: the form as it was sent, to be mended."""
    filing = find_filing(city, asker, number)
    amender(city, asker, filing)
    return form_page(request, city, *_amending(city, filing), {f"{FIELD}{name}": value for name, value in filing.form.items()}, filing=filing)


def _amending(city: City, filing: Filing) -> tuple[Offered, Identity]:
    kind: Literal["person", "enterprise"] = "person" if filing.subject_kind == "person" else "enterprise"
    return catalogue_of(city).find(filing.thing), Identity(kind, filing.subject)


@router.post("/affairs/filings/{number}/amend")
async def send_amended(request: Request, city: InCity, asker: SignedIn, number: str) -> Response:
    """Send the mended form."""
    said, photos = await form_of(request)

    def act() -> Response:
        filing = find_filing(city, asker, number)
        try:
            amend(city, asker, filing, new_from(said, photos), said.get("amended", ""))
        except BadInput as fault:
            return form_page(request, city, *_amending(city, filing), said, fault, filing=filing)
        return RedirectResponse(f"/affairs/filings/{number}", 303)

    return await run_in_threadpool(act)


@router.get("/affairs/{code}")
def thing_page(request: Request, city: InCity, code: str) -> HTMLResponse:
    """The guide of a thing: which matters, who may apply, what is asked and what the city knows already."""
    offered = catalogue_of(city).find(code)
    above = _above(city)
    sources = sources_of(city, offered)
    units: set[str | None] = {*(f"{above}-{matter.department}" for matter in offered.matters), *(one.unit for one in sources)}
    return render(
        request, "affairs/thing.html", offered=offered, above=above, units=units_named(city, units), sources=sources, cities=catalogue_of(city).cities
    )


@router.get("/affairs/{code}/apply")
def apply_page(request: Request, city: InCity, asker: SignedIn, code: str) -> HTMLResponse:
    """Apply: consent first, then a form that asks only what the city does not know."""
    offered = catalogue_of(city).find(code)
    subject = identity_of(city, asker, offered.thing.who)
    return form_page(request, city, offered, subject, dict(request.query_params))


def form_page(
    request: Request, city: City, offered: Offered, subject: Identity | None, said: Mapping[str, Any], fault: BadInput | None = None,
    filing: Filing | None = None, *, window: bool = False,
) -> HTMLResponse:  # fmt: skip
    """The form of a thing: what the city holds of `subject` filled in, the rest to be typed; to mend `filing`, where one is given."""
    consented = subject is not None and has_consented(city, offered.datasets, offered.code, subject)
    held: Held = held_for(city, offered, subject, picked_in(said)) if subject is not None and consented else NOTHING
    there = values_held(offered, held)
    form = there | {name.removeprefix(FIELD): value for name, value in said.items() if name.startswith(FIELD)}
    names = names_of(offered, held, form, _today())
    sources = sources_of(city, offered)
    context: dict[str, Any] = {
        "offered": offered, "subject": subject, "consented": consented, "there": there, "form": form, "asked": asked_of(offered, held, form, _today()),
        "materials": offered.materials, "sources": sources, "titles": {one.dataset: one.title for one in sources}, "fault": fault, "said": said,
        "units": units_named(city, {one.unit for one in sources}), "known": known_of(offered.thing.facts, names), "filing": filing, "window": window,
        "rows": {dataset: rows for dataset, rows in held.rows.items() if len(rows) > 1}, "picked": picked_in(said),
        "cities": catalogue_of(city).cities,
        "given": {code for code, one in filing.materials.items() if one["how"] in ("given", "seen")} if filing else set(),
    }  # fmt: skip
    return render(request, "affairs/apply.html", fault.status if fault else 200, **context, **TOOLS)



@router.post("/affairs/{code}/consent")
def consent(city: InCity, asker: InPerson, code: str) -> Response:
    """Consent that the city fills the form from what it holds, for this thing only."""
    offered = catalogue_of(city).find(code)
    consent_to(city, asker, offered.datasets, offered.code, subject_of(city, asker, offered))
    return RedirectResponse(f"/affairs/{code}/apply", 303)


@router.post("/affairs/{code}/apply")
async def apply(request: Request, city: InCity, asker: SignedIn, code: str) -> Response:
    """File it."""
    said, photos = await form_of(request)

    def act() -> Response:
        offered = catalogue_of(city).find(code)
        try:
            filed = file_online(city, asker, code, new_from(said, photos))
        except BadInput as fault:
            return form_page(request, city, offered, identity_of(city, asker, offered.thing.who), said, fault)
        return RedirectResponse(f"/affairs/filings/{filed.filing.number}", 303)

    return await run_in_threadpool(act)
